"""The ports through which the admin server reaches the gateway.

Instants are in seconds on the gateway's own clock; `ConsoleState.offset` leads there from the epoch's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the gateway is ready for dial requests: each check with its result and an explanation.

    `notes` are observations for people that do not make the gateway unready.
    """

    checks: dict[str, tuple[bool, str]]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every check passed."""
        return all(holds for holds, _ in self.checks.values())


class Monitoring(Protocol):
    """Readiness and metrics of the gateway."""

    def readiness(self) -> Readiness:
        """Return whether the gateway is ready for dial requests."""
        ...

    async def metrics(self, accept: str = "") -> tuple[bytes, str] | None:
        """Return all metrics as text, and its content type; None if metrics are disabled.

        `accept` is the header of that name: it may ask for OpenMetrics.
        """
        ...


# --- the console's view --------------------------------------------------------------------------------


class RecordedAction(NamedTuple):
    """A `hold`, `release` or `purge` of a campaign, and the number of dial requests answered by it."""

    kind: str
    caller: str
    reason: str
    at: float
    answered: int = 0


class ReplicaPart(NamedTuple):
    """One replica's part of a campaign. `rate` is in accepted dial requests a second."""

    replica: str
    state: str
    queued: int
    in_flight: int
    rate: float


class Campaign(NamedTuple):
    """One campaign. Rows of an unchanged campaign are equal, whenever they were made.

    `counts` are answers by outcome, in the order of the contract. `rate` is in accepted dial requests a
    second. `until` is when its state may end without an operator, None if unknown. `hold` is None if the
    campaign is not held. In a fleet with a shared state, a row adds up all replicas, and `parts` are those of
    each. `name` and `tags` come from the campaign directory, and are empty if they are not known.
    """

    campaign_id: str
    state: str
    queued: int
    in_flight: int
    waiting_since: float | None
    counts: tuple[int, ...]
    rate: float
    reason: str
    detail: str
    since: float | None
    until: float | None
    hold: RecordedAction | None
    answering: bool
    last: RecordedAction | None
    parts: tuple[ReplicaPart, ...] = ()
    name: str = ""
    tags: tuple[tuple[str, str], ...] = ()


class Point(NamedTuple):
    """What happened in the `seconds` before `at`.

    `calls` are the numbers of calls to Amazon Connect that were answered, throttled, and failed otherwise.
    `answers` are dial requests by outcome, `replayed` those of them that were answered from the memory of
    accepted tokens. `accepted` are dial requests that Amazon Connect accepted. `rate` and `ceiling` are in
    calls a second, 0 for no limit.
    """

    number: int
    at: float
    seconds: float
    calls: tuple[int, ...]
    answers: tuple[int, ...]
    accepted: int
    replayed: int
    rate: float
    ceiling: float


class FailedCall(NamedTuple):
    """A call to Amazon Connect that failed after its last attempt, with its trace."""

    number: int
    at: float
    campaign_id: str
    kind: str
    words: str
    items: int
    attempts: int
    trace_id: str


class CallerRow(NamedTuple):
    """A caller with open streams, the number of its unanswered dial requests, and the limit of these."""

    name: str
    streams: int
    unanswered: int
    window: int


class GuardRow(NamedTuple):
    """How many dial requests a rule has refused for a reason. `observed`: it only observes."""

    rule: str
    reason: str
    observed: bool
    requests: int


class GuardState(NamedTuple):
    """The compliance guard: the version of its rules, empty without rules, and what it has refused.

    `waiting` dial requests wait until the rules allow them, operators have `suppressed` so many numbers, and
    `unusable` files cannot be used as they are. `failing` are the audit trails that cannot be written.
    """

    version: str
    waiting: int
    suppressed: int
    unusable: int
    failing: tuple[str, ...]
    refused: tuple[GuardRow, ...]


class Totals(NamedTuple):
    """The totals of the gateway. `campaigns` is the number of campaigns by state.

    `replica` is the name of this replica: in Kubernetes, the pod's. `locked` is the reason why the console
    cannot change anything, empty if an operator token allows it. `guard` is None if no guard decides.
    """

    campaigns: dict[str, int]
    queued: int
    in_flight: int
    outstanding: int
    room: int
    rate: float
    ceiling: float
    streams: int
    callers: int
    calls: dict[str, int]
    answers: tuple[int, ...]
    connect: str
    failing: bool
    draining: bool
    locked: str
    replica: str = ""
    guard: GuardState | None = None


class Replica(NamedTuple):
    """A replica of the fleet, and whether its campaigns are part of the view."""

    name: str
    reported: bool


class ConsoleState(NamedTuple):
    """The gateway at one instant. `campaigns` is limited in number; `Totals.campaigns` counts them all.

    `replicas` are those of the fleet; empty without a shared state.
    """

    at: float
    offset: float
    totals: Totals
    campaigns: Mapping[str, Campaign]
    points: Sequence[Point]
    failures: Sequence[FailedCall]
    callers: Sequence[CallerRow]
    replicas: Sequence[Replica] = ()


# --- the console's commands ----------------------------------------------------------------------------


class Command(NamedTuple):
    """An operator's command for a campaign (`hold`, `release` or `purge`), and the credentials sent with it.

    `authorization` is the header of that name. `answering`: a hold answers waiting requests at once.
    `source` is the address that the command comes from. `known_only`: refuse a hold or purge of a campaign
    that the gateway does not know.
    """

    kind: str
    campaign_id: str
    operator: str
    reason: str
    authorization: str | None
    answering: bool = False
    source: str = ""
    known_only: bool = False
    identity: str | None = None


class CommandResult(NamedTuple):
    """What came of a command: how many dial requests it answered.

    In a fleet with a shared state, `confirmed` are the replicas that have carried it out, and `unconfirmed`
    those that have not said so in time. `only_here`: the shared state could not record it, or
    has not told this replica yet which others there are.
    """

    answered: int = 0
    confirmed: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    only_here: bool = False


class CommandRefused(Exception):  # noqa: N818 - says what happened, as in the rest of the gateway
    """A command that was not carried out: the HTTP status, and the reason in words for the operator.

    `after_s` is the number of seconds after which to try again, None if a retry does not help.
    """

    def __init__(self, status: int, words: str, after_s: float | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.after_s = after_s


class Console(Protocol):
    """The view and the commands of the console."""

    async def state(self) -> ConsoleState:
        """Return the state of the gateway, which may be some hundred milliseconds old."""
        ...

    def identity(self, source: str, values: Callable[[str], Sequence[str]]) -> str | None:
        """Return who a trusted proxy says is looking at the console, None if it does not say so.

        `values` returns the values of a header of the request, which came from the address `source`.
        """
        ...

    async def carry_out(self, command: Command) -> CommandResult:
        """Carry out a command; return what came of it. Raises `CommandRefused`."""
        ...
