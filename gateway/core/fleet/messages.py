"""The messages between a replica and the shared state of its fleet.

All are plain data. Durations that cross between machines are relative, in milliseconds: each machine measures
them on its own monotonic clock, so no two wall clocks are compared. A beat is the regular exchange of a
replica with the shared state, three to ten times a second; it carries a tick (quota), the changes of holds,
and the conditions of campaigns.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.campaigns.condition import Condition
from gateway.core.fleet.contacts import Contact, ContactCount
from gateway.core.model import Priority

# --- quota -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """The settings that all replicas of a fleet should share; where they differ, the stricter one applies.

    `call_rate` is in calls a second, 0 for no limit, `call_burst` in calls. `longest_outage_s` is how long a
    replica may send without the shared state.
    """

    call_rate: float
    call_burst: float
    replay_window_s: float
    longest_outage_s: float = 600.0


@dataclass(frozen=True, slots=True)
class DemandRow:
    """Calls that one replica could make now: of one caller, for one campaign, in one priority.

    `calls` counts them. `full`: the next one should not wait for fuller calls, since it carries a full batch
    or has waited long. `weight` is the caller's. `doubtful`: Connect may not have the campaign.
    """

    priority: Priority
    caller: str
    campaign_id: str
    calls: int
    full: bool
    weight: int = 1
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A replica of the fleet.

    `name` is for people. `lost`: it has missed ticks. `local_rate` (calls a second) and `local_burst` (calls)
    are its part of the quota, which it may use without the shared state, and which stays reserved for it
    while it is lost.
    """

    member: str
    name: str
    lost: bool = False
    local_rate: float = 0.0
    local_burst: float = 0.0


@dataclass(frozen=True, slots=True)
class TickRequest:
    """What a replica tells the fleet about its calls.

    `member` names the process, `name` the replica for people. `sequence` grows with every tick; a repeated
    one gets the stored reply again. `acknowledged` is the last sequence whose reply has arrived, 0 before the
    first, and `epoch` and `known` are its epoch and members. `used` are permits whose calls have begun since
    the last acknowledged tick, `returned` those that will not be used, both as pairs of the grant's number
    and a count. `in_flight` counts calls that left a short time ago and have not returned, `room` how
    many permits the replica can use soon. `throttled` are the numbers of permits whose calls Connect
    throttled. `accepted` counts calls that Connect took, `first_attempts` and `retries` the attempts
    made, since the last acknowledged tick. `retries_waiting` counts calls that wait for the permit of a
    further attempt. `gone` are members that the replica knows to have ended. `leaving`: it deregisters.
    """

    member: str
    name: str
    sequence: int
    settings: FleetSettings
    acknowledged: int = 0
    epoch: str = ""
    known: tuple[Member, ...] = ()
    used: tuple[tuple[int, int], ...] = ()
    returned: tuple[tuple[int, int], ...] = ()
    in_flight: int = 0
    room: int = 0
    throttled: tuple[int, ...] = ()
    accepted: int = 0
    first_attempts: int = 0
    retries: int = 0
    retries_waiting: int = 0
    demand: tuple[DemandRow, ...] = ()
    gone: tuple[str, ...] = ()
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class PermitGrant:
    """Permits for `count` calls of one turn, with numbers from `number` on.

    They are usable from `start_in_ms` after the reply arrived until `end_in_ms` after the tick was first
    sent. So a replica never uses a permit when the store does not count on it, however long the messages
    took. `caller` and `campaign_id` name the turn; both are "" for a further attempt.
    """

    number: int
    count: int
    start_in_ms: int
    end_in_ms: int
    caller: str = ""
    campaign_id: str = ""


@dataclass(frozen=True, slots=True)
class TickReply:
    """What the fleet tells a replica.

    `members` are all, the replica included. `rate` is the fleet's present rate in calls a second, `settings`
    the settings that apply. `tokens` are the calls that could leave at once. `backlog` counts the calls that
    all replicas could make now. `retry_credit` is what the retry budget of the fleet has left. `differing`
    names settings that replicas disagree about. `name_taken`: a live member has the name of this replica,
    which is therefore no member; the reply says nothing else.
    """

    epoch: str
    members: tuple[Member, ...]
    settings: FleetSettings
    rate: float
    permits: tuple[PermitGrant, ...] = ()
    tokens: float = 0.0
    backlog: int = 0
    retry_credit: float = 0.0
    differing: tuple[str, ...] = ()
    name_taken: bool = False

    def epoch_age_s(self, now_ms: int) -> float:
        """Return for how long the epoch has lasted at `now_ms` of the store: its name is its beginning."""
        return max(0.0, (now_ms - int(self.epoch)) / 1000) if self.epoch.isdecimal() else math.inf


# --- ledger ------------------------------------------------------------------------------------------------


class TokenState(enum.Enum):
    """What the fleet knows of a client token. Without a record nothing is known of it."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """The record of one client token of a campaign.

    `fingerprint` is a keyed hash of number and attributes (`core/fleet/fingerprints.py`). `member` is the
    replica that claimed it last, and `alive` whether that is a live member with a recent claim. `in_doubt`
    says that an earlier attempt than that of the claim may have reached Connect. `dial_request_id` and
    `trace_id` are those of an accepted token.
    """

    state: TokenState
    fingerprint: str
    member: str = ""
    alive: bool = False
    in_doubt: bool = False
    dial_request_id: str = ""
    trace_id: str = ""


class ClaimVerdict(enum.Enum):
    """Whether a replica may send a token that it has asked to claim."""

    CLAIMED = "claimed"
    TAKEN_OVER = "taken over"
    """It may send it, but an earlier attempt, by a dead replica or with unknown result, may have arrived."""
    ACCEPTED = "accepted"
    CONFLICT = "conflict"
    ELSEWHERE = "elsewhere"
    """A live replica is sending it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A client token and the fingerprint of its dial request.

    `number` is the number of the call that would carry it. Numbers of a replica grow, and its settlement
    names the number, so that a settlement which arrives late does not end a later claim. `contact` is counted
    together with the claim; None without contact limits. `in_doubt`: an earlier call may have carried it.
    """

    client_token: str
    fingerprint: str
    number: int
    contact: Contact | None = None
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """The verdict on one claim; the ids are those of an accepted token.

    `count` is what was counted for its contact; None without one, or if it is not known.
    """

    verdict: ClaimVerdict
    dial_request_id: str = ""
    trace_id: str = ""
    count: ContactCount | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of the claim `number`: accepted, unknown, or free again.

    `state` is None if the token is free again: Connect does not have it. `withdrawn` is the contact that does
    not count any more, None if it does, or if there is none.
    """

    client_token: str
    fingerprint: str
    number: int
    state: TokenState | None
    dial_request_id: str = ""
    trace_id: str = ""
    withdrawn: Contact | None = None


# --- holds and purges --------------------------------------------------------------------------------------


class FleetActionKind(enum.Enum):
    """An operator's action on a campaign, for all replicas."""

    HOLD = "hold"
    RELEASE = "release"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class FleetAction:
    """An action as the shared state records it. `at_ms` is the store's wall clock, `version` its number.

    In a request to record it, `at_ms` is when an operator asked for it, 0 if the store's time is not known.
    An action that arrives much later than that is not carried out.
    Versions grow; each is at least the store's time, so that they grow even after the store lost its data.
    """

    kind: FleetActionKind
    campaign_id: str
    caller: str
    reason: str
    answering: bool = False
    version: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """What a replica tells about operators' actions.

    `seen` is the version of the changes that it has carried out, 0 before the first; `recorded` are those of
    its own actions that were recorded since. `answered` counts, by version, the dial requests that it has
    answered for an action. `asks` are versions whose progress it wants to know.
    `unrecorded` are holds in force here that the store does not have: new ones (version 0), made while it was
    away, and those that it has lost, under their former version. `looking`: somebody looks at a listing of
    the fleet here.
    """

    member: str
    seen: int
    recorded: tuple[int, ...] = ()
    answered: Mapping[int, int] = field(default_factory=dict)
    asks: tuple[int, ...] = ()
    unrecorded: tuple[FleetAction, ...] = ()
    looking: bool = False


@dataclass(frozen=True, slots=True)
class ControlReply:
    """The changes since the version that a replica has seen, and the store's wall clock `now_ms`.

    `holds` is the whole table of holds, None if nothing has changed. `actions` are those after `seen`, oldest
    first; none for a first read. `lost`: the store does not know a version that the replica knows, so it
    has lost data, and its table may lack holds. `looking`: somebody looks at a listing of the fleet.
    `seen` has the version that each member has carried out, and `answered`, by version and member, the dial
    requests answered; both only for what the request asks.
    """

    version: int
    now_ms: int
    holds: tuple[FleetAction, ...] | None
    actions: tuple[FleetAction, ...] = ()
    lost: bool = False
    looking: bool = False
    seen: Mapping[str, int] = field(default_factory=dict)
    answered: Mapping[int, Mapping[str, int]] = field(default_factory=dict)


# --- conditions of campaigns -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SharedCondition:
    """The condition of a campaign for all replicas; `condition` is None if it flows again.

    `owner` is the member that probes the campaign or reads its state, "" if none does. `parked`: Connect said
    that it does not run, else it was throttled. `limit` is in items of the next probe call. `state` is that
    of Connect, if known. It may change in `pause_ms` at the earliest, and began `age_ms` ago.
    """

    campaign_id: str
    owner: str
    condition: Condition | None
    parked: bool = False
    limit: int = 1
    state: str = ""
    pause_ms: int = 0
    age_ms: int = 0


@dataclass(frozen=True, slots=True)
class ConditionsRequest:
    """The conditions that a replica wants to record, and the version up to which it has read all others.

    One is recorded unless the store has another of the same campaign that the replica has not read yet.
    """

    seen: int
    puts: tuple[SharedCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionsReply:
    """The conditions that were recorded since, oldest first, and the version up to which these are all."""

    version: int
    conditions: tuple[SharedCondition, ...] = ()
