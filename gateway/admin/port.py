"""What the admin server asks of the gateway, without knowing it.

Instants are in seconds on the gateway's own clock; `ConsoleState.offset` leads there from the epoch's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether dial requests should come here: each check with its finding in words, and whether it holds.

    `notes` are for people: what is seen and does not make the gateway unready.
    """

    checks: dict[str, tuple[bool, str]]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every check holds."""
        return all(holds for holds, _ in self.checks.values())


class Monitoring(Protocol):
    """The gateway as those see it who run it."""

    def readiness(self) -> Readiness:
        """Return whether dial requests should come here."""
        ...

    async def metrics(self) -> tuple[str, str] | None:
        """Return all metrics as text, and its content type; None where nothing is counted."""
        ...


# --- the console: what it shows ------------------------------------------------------------------------


class RecordedAction(NamedTuple):
    """What somebody did to a campaign, `hold`, `release` or `purge`; `answered` were answered by that."""

    kind: str
    caller: str
    reason: str
    at: float
    answered: int = 0


class Campaign(NamedTuple):
    """One campaign: equal ones say the same, whenever they were looked at.

    `counts` are answers by outcome, in the order of the contract; `rate` is in accepted dial requests a
    second. `until` is when its state may end by itself, None where nobody can say. `held` is who holds it.
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
    held: RecordedAction | None
    answering: bool
    last: RecordedAction | None


class Point(NamedTuple):
    """What happened in one stretch of `seconds` up to `at`.

    `calls` to Amazon Connect are those answered, throttled, and failed otherwise; `answers` are dial
    requests by outcome. `rate` and `ceiling` are in calls a second, 0 for no limit.
    """

    number: int
    at: float
    seconds: float
    calls: tuple[int, ...]
    answers: tuple[int, ...]
    rate: float
    ceiling: float
    held: int


class FailedCall(NamedTuple):
    """A call to Amazon Connect that failed for good, with its trace."""

    number: int
    at: float
    campaign_id: str
    kind: str
    words: str
    items: int
    attempts: int
    trace_id: str


class CallerRow(NamedTuple):
    """Who has streams open here, and how many of its dial requests are unanswered, of how many at most."""

    name: str
    streams: int
    unanswered: int
    window: int


class Totals(NamedTuple):
    """Everything in figures. `campaigns` are counted by state; `callers` are all that there are.

    `locked` is why nobody may change anything here; empty where a token is asked for.
    """

    campaigns: dict[str, int]
    queued: int
    in_flight: int
    held: int
    room: int
    calls_in_flight: int
    concurrent_calls: int
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


class ConsoleState(NamedTuple):
    """The gateway at one instant. `campaigns` are at most so many, `Totals.campaigns` counts them all."""

    at: float
    offset: float
    totals: Totals
    campaigns: Mapping[str, Campaign]
    points: Sequence[Point]
    failures: Sequence[FailedCall]
    callers: Sequence[CallerRow]


# --- the console: what it does -------------------------------------------------------------------------


class Command(NamedTuple):
    """An operator's command for a campaign (`hold`, `release` or `purge`), and the credentials sent with it.

    `authorization` is the header of that name. `answering`: a hold answers waiting requests at once.
    `source` is the address that the command comes from.
    """

    kind: str
    campaign_id: str
    operator: str
    reason: str
    authorization: str | None
    answering: bool = False
    source: str = ""


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
    """What the console shows and does."""

    async def look(self) -> ConsoleState:
        """Return how everything stands; a look may serve for a while."""
        ...

    async def carry_out(self, command: Command) -> int:
        """Do it; return how many dial requests were answered by that. Raises `CommandRefused`."""
        ...
