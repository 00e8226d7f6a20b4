"""What the store keeps for the quota of a fleet. Times are in milliseconds on the store's clock."""

from dataclasses import dataclass, field

from gateway.core.fleet.messages import DemandRow, FleetSettings, TickReply

RETRY = -1
"""The priority of permits for further attempts, before all priorities of dial requests."""


@dataclass(slots=True)
class MemberState:
    """A replica.

    `replied_at` is when the reply to `sequence` was made, `before` and `before_at` the same of the tick
    before it, and `heard_at` when the last reply was made that is known to have arrived. A member is
    `confirmed` once a reply to `confirms_from` or a later tick has arrived: from then on it does not use its
    own part of the quota. `local_rate` and `local_burst` are that part as it was last told, `held_rate` and
    `held_burst` the largest that it may believe in. `waiting` counts all its calls. `turn` is the turn of its
    last permit for a further attempt.
    """

    member: str
    name: str
    order: int
    settings: FleetSettings
    heard_at: int
    sequence: int = 0
    replied_at: int = 0
    before: int = 0
    before_at: int = 0
    confirms_from: int = 0
    confirmed: bool = False
    ticked: bool = False
    lost_at: int = 0
    local_rate: float = 0.0
    local_burst: float = 0.0
    held_rate: float = 0.0
    held_burst: float = 0.0
    in_flight: int = 0
    room: int = 0
    retries_waiting: int = 0
    waiting: int = 0
    turn: int = 0
    rows: list[DemandRow] = field(default_factory=list)
    reply: TickReply | None = None


@dataclass(slots=True)
class Unit:
    """Permits of one turn, usable from `start`.

    `end` is when they can no longer be used, 0 while they have not been delivered. `left` counts those whose
    use the member has not reported.
    """

    number: int
    count: int
    left: int
    member: str
    priority: int
    caller: str
    campaign_id: str
    start: int
    end: int = 0


@dataclass(slots=True)
class TurnPlace:
    """The place of a caller, a campaign of a caller, or a member with calls for it: the lowest goes first.

    `had` counts the calls that a caller has made in its turn.
    """

    order: int
    had: int = 0


@dataclass(slots=True)
class Turns:
    """The order of turns of the whole fleet. `last` is the last place that was given."""

    last: int = 0
    places: dict[str, TurnPlace] = field(default_factory=dict)
    passed_over: list[int] = field(default_factory=lambda: [0, 0, 0])
    since_doubtful: int = 3


@dataclass(slots=True)
class Bucket:
    """The tokens, and the pace with its reductions.

    Tokens are negative while permits are assigned ahead. `cut_number` is the number of the next permit at the
    last throttle: throttles of earlier permits are ignored. `window_at`, `window_count` and `windows` are the
    recent throughput that Connect accepted.
    """

    at: int
    tokens: float
    rate: float
    ceiling: float
    next_number: int = 1
    cut_number: int = 0
    throttled_at: int = 0
    window_at: int = 0
    window_count: int = 0
    windows: list[float] = field(default_factory=list)
    retry_credit: float = 10.0


@dataclass(slots=True)
class QuotaState:
    """The whole state. `epoch` changes whenever the store may have lost what it knew of permits."""

    epoch: str
    epoch_at: int
    replication: str
    bucket: Bucket
    last_order: int = 0
    members: dict[str, MemberState] = field(default_factory=dict)
    units: list[Unit] = field(default_factory=list)
    turns: Turns = field(default_factory=Turns)
