"""The values of CampaignService: campaigns, their state, holds and operator actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class ReplicaPart:
    """One replica's part of a campaign. The fields are those of `Campaign`."""

    replica: str
    state: CampaignState
    queued: int
    in_flight: int
    oldest_wait: timedelta
    outcomes: Mapping[Outcome, int]
    accepted_per_second: float


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign, at one replica of the gateway or, if the replicas share a state, in the whole fleet.

    In a fleet, counts and rates are sums, and `replicas` has the part of each replica; else it is empty.
    `oldest_wait` is how long the oldest queued dial request has waited. `reason` and `detail` say why the
    campaign does not flow, and what ends that. `retry_after` is the time until the next attempt, if known.
    `name` and `tags` come from the gateway's campaign directory, and are empty if it does not know them.
    `campaign_id`, `detail`, names, tags and reasons are untrusted: show them as text, never as markup.
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
    replicas: tuple[ReplicaPart, ...] = ()
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica of a fleet, and whether its campaigns are part of a listing."""

    name: str
    reported: bool


@dataclass(frozen=True, slots=True)
class CampaignsSeen:
    """The state of all campaigns at one instant, by id, and the ids that have changed since the state before.

    `replicas` are those of the fleet; empty if the gateway has no shared state.
    """

    as_of: datetime
    campaigns: Mapping[str, Campaign]
    changed: frozenset[str]
    replicas: tuple[Replica, ...] = ()


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Which replicas of a fleet have carried out an action, by name.

    `unconfirmed` have not said so in time, and may not know of it yet. `only_here`: the shared state could
    not record it, so only the replica that was asked has carried it out. It records a hold as soon as it can;
    a purge must be asked for again.
    """

    confirmed: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    only_here: bool

    @property
    def complete(self) -> bool:
        """Whether all replicas have carried it out."""
        return not self.unconfirmed and not self.only_here


@dataclass(frozen=True, slots=True)
class ActionDone:
    """What came of an action: the campaign after it, and how many dial requests it answered.

    `confirmation` is None if the gateway has no shared state: then the action applies to one replica only.
    """

    campaign: Campaign
    answered: int
    confirmation: Confirmation | None
