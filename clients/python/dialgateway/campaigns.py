"""The values of CampaignService: campaigns, their state, holds and operator actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dialgateway.values import Outcome, Reason


class CampaignState(StrEnum):
    """The state of a campaign. UNSPECIFIED is a state that this version of the client does not know."""

    UNSPECIFIED = "UNSPECIFIED"
    FLOWING = "FLOWING"
    COOLING = "COOLING"
    PARKED = "PARKED"
    HELD = "HELD"


class HeldRequests(StrEnum):
    """What happens to the dial requests of a held campaign: they wait, or are answered with reason HELD."""

    WAIT = "WAIT"
    ANSWER = "ANSWER"


class ActionKind(StrEnum):
    """An operator's action. UNSPECIFIED is an action that this version of the client does not know."""

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
    """The last operator action on a campaign. It answered `answered` dial requests."""

    kind: ActionKind
    caller: str
    reason: str
    done_at: datetime
    answered: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign at one replica of the gateway.

    `oldest_wait` is how long the oldest queued dial request has waited. `reason` and `detail` say why the
    campaign does not flow, and what ends that. `retry_after` is the time until the next attempt, if known.
    `campaign_id`, `detail` and the reasons come from callers: show them as text, never as markup.
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
    """All campaigns at one instant, by id, and the ids of those that changed since the last such state."""

    as_of: datetime
    campaigns: Mapping[str, Campaign]
    changed: frozenset[str]
