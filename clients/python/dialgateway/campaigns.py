"""What CampaignService tells of campaigns: plain, typed, immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dialgateway.values import Outcome, Reason


class CampaignState(StrEnum):
    """Whether a campaign's dial requests flow. UNSPECIFIED: a state newer than this client."""

    UNSPECIFIED = "UNSPECIFIED"
    FLOWING = "FLOWING"
    COOLING = "COOLING"
    PARKED = "PARKED"
    HELD = "HELD"


class HeldRequests(StrEnum):
    """What becomes of a held campaign's dial requests: they wait, or are answered HELD."""

    WAIT = "WAIT"
    ANSWER = "ANSWER"


class ActionKind(StrEnum):
    """What was done to a campaign. UNSPECIFIED: something newer than this client."""

    UNSPECIFIED = "UNSPECIFIED"
    HOLD = "HOLD"
    RELEASE = "RELEASE"
    PURGE = "PURGE"


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a campaign, why and since when."""

    caller: str
    reason: str
    held_at: datetime
    held_requests: HeldRequests


@dataclass(frozen=True, slots=True)
class Action:
    """What was done to a campaign last, by whom and why; `answered` dial requests were answered by that."""

    kind: ActionKind
    caller: str
    reason: str
    done_at: datetime
    answered: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign as one gateway sees it.

    `oldest_wait` is how long the one that has waited longest has been queued. `reason` and `detail` say why
    it does not flow, and what ends that; `retry_after` when it is tried again, where that is known.
    `campaign_id` and the texts are what callers sent: show them as text, never as markup.
    """

    campaign_id: str
    state: CampaignState
    queued: int
    in_flight: int
    oldest_wait: timedelta
    outcomes: Mapping[Outcome, int]
    accepted_per_second: float
    reason: Reason
    detail: str
    since: datetime | None
    retry_after: timedelta | None
    hold: Hold | None
    last_action: Action | None


@dataclass(frozen=True, slots=True)
class CampaignsSeen:
    """All campaigns at one instant, by id, and the ids of those that differ from what was seen before."""

    as_of: datetime
    campaigns: Mapping[str, Campaign]
    changed: frozenset[str]
