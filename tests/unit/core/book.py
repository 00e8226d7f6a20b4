"""What must be held, remembered and refused, by the promises alone: the model's memory."""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.answers import REFUSAL_S
from gateway.core.engine import Limits
from gateway.core.intake.admission import SEND_MARGIN_S
from gateway.core.model import (
    Answer,
    CallReport,
    DialRequest,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    Source,
)
from tests.unit.core.making import memory_of

Key = tuple[str, str]
HELD, INVALID, CONFLICT, WOULD_EXPIRE = "held", "invalid", "conflict", "would expire"
EXACT_S = 1e-6
FULL = 25


class Place(enum.Enum):
    """Where a held dial request is, as far as one can tell from outside."""

    QUEUED = "queued"
    BACK = "back from a call: queued or delayed"
    IN_CALL = "in a call"


@dataclass(eq=False)
class Caller:
    """A source, with what it sent, what it still waits for and what it was told."""

    source: Source = field(default_factory=Source)
    sent: int = 0
    closed: bool = False
    gone: bool = False
    waiting: dict[int, Key] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    noticed: dict[str, NoticeKind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source.owner = self


@dataclass(eq=False)
class Held:
    """A dial request in the gateway. Doubt: Connect must, or may, be thought to have it."""

    request: DialRequest
    give_up_at: float
    since: float
    waiters: list[tuple[Caller, int]]
    must_doubt: bool = False
    may_doubt: bool = False
    called: bool = False
    """Whether a call has carried it and come back."""
    place: Place = Place.QUEUED
    priority: Priority = Priority.NORMAL
    suspects: int = 0
    """How many may travel with it at most, where it is under suspicion; else 0."""
    group: int = 0
    """The call that it travelled in before, and whose suspects alone may go with it."""


class Memory(NamedTuple):
    """What a settled token must be remembered as; without an id Connect may have it."""

    request: DialRequest
    dial_request_id: str
    at: float
    sure: bool


class Book:
    """Keeps what is promised of every token, as events pass by."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.now = now
        self.limits = limits
        self.held: dict[Key, Held] = {}
        self.held_bytes = 0
        self.memory: dict[Key, Memory] = {}
        self.send_until: float | None = None
        self.holds: dict[str, bool] = {}
        self._refused: dict[str, tuple[float, str]] = {}

    def allowed(self, key: Key, request: DialRequest) -> set[str]:
        """Return what a caller may be told of a request at once."""
        held, memory = self.held.get(key), self._remembered(key)
        if held is not None:
            return {HELD if request.same_dial(held.request) else CONFLICT}
        if memory is None:
            return {self._new(request, doubt=request.in_doubt)}
        if not request.same_dial(memory.request):
            told = CONFLICT
        else:
            told = Outcome.ACCEPTED.name if memory.dial_request_id else self._new(request, doubt=True)
        sure = memory.sure and self.now - memory.at < self.limits.replay_window_s
        return {told} if sure else {told, self._new(request, doubt=request.in_doubt)}

    def _remembered(self, key: Key) -> Memory | None:
        memory = self.memory.get(key)
        if memory is not None and self.now - memory.at > 1.25 * self.limits.replay_window_s + EXACT_S:
            del self.memory[key]
            return None
        return memory

    def _new(self, request: DialRequest, *, doubt: bool) -> str:
        until, refusal = self._refused.get(request.campaign_id, (0.0, ""))
        if request.expires_at <= self.now:
            return Outcome.UNKNOWN.name if doubt else INVALID
        if self.send_until is not None:
            told = Outcome.NOT_ACCEPTED.name
        elif self.now < until:
            told = refusal
        elif self.holds.get(request.campaign_id):  # a hold that answers
            told = Outcome.NOT_ACCEPTED.name
        elif self._give_up_at(request) <= self.now:
            told = Outcome.EXPIRED.name
        else:
            return HELD
        return Outcome.UNKNOWN.name if doubt else told

    def _give_up_at(self, request: DialRequest) -> float:
        return request.expires_at - self.limits.expiry_headroom_s - SEND_MARGIN_S

    def hold(self, key: Key, request: DialRequest, waiter: tuple[Caller, int]) -> None:
        """Enter a request that is taken in."""
        memory = self._remembered(key)
        sure = memory is not None and memory.sure and self.now - memory.at < self.limits.replay_window_s
        may = memory is not None and request.same_dial(memory.request)
        must_doubt, may_doubt = request.in_doubt or (sure and may), request.in_doubt or may
        held = Held(request, self._give_up_at(request), self.now, [waiter], must_doubt, may_doubt)
        self.held[key] = held
        self.held_bytes += memory_of(request)

    def release(self, key: Key) -> Held:
        """Take out a request."""
        held = self.held.pop(key)
        self.held_bytes -= memory_of(held.request)
        return held

    def drop(self, key: Key) -> None:
        """Remove a request without waiters; the doubt that a call has caused stays."""
        held = self.release(key)
        if not held.called:
            return
        self.memory.pop(key, None)
        if held.may_doubt:
            self.memory[key] = Memory(held.request, "", self.now, held.must_doubt)

    def vanish(self, key: Key, id_: str) -> None:
        """Note the end of a call for a request that nobody waits for any more."""
        held = self.held[key]
        self.drop(key)
        if id_:
            self.memory[key] = Memory(held.request, id_, self.now, sure=True)

    def settle(self, key: Key, answer: Answer, id_: str) -> None:
        """Take out a request that is answered, and check that the answer may be true."""
        held = self.release(key)
        accepted, unknown = answer.outcome is Outcome.ACCEPTED, answer.outcome is Outcome.UNKNOWN
        assert accepted == bool(id_)
        assert answer.dial_request_id == id_
        assert not answer.replayed
        assert accepted or unknown or not held.must_doubt, "Connect may have it"
        assert not unknown or held.may_doubt, "Connect cannot have it"
        assert answer.outcome is not Outcome.EXPIRED or held.give_up_at <= self.now
        assert answer.reason is not Reason.WOULD_EXPIRE
        if answer.outcome is Outcome.EXPIRED:
            assert (answer.reason is Reason.HELD) == (key[0] in self.holds)
        if unknown and not held.called:
            return  # nothing is remembered of a doubt that only a caller has told of
        self.memory.pop(key, None)
        if accepted or unknown:
            self.memory[key] = Memory(held.request, id_, self.now, sure=True)

    def weigh(self, held: Held, report: CallReport) -> None:
        """Note the doubt that a call leaves about a request."""
        token = held.request.client_token
        held.called = True
        if token not in report.accepted:
            missing = report.failure is None and token not in report.failed
            held.must_doubt |= report.uncertain or missing
            held.may_doubt |= held.must_doubt

    def note_refusal(self, campaign_id: str, *, lasting: bool) -> None:
        """Note that Connect refuses a campaign, for a while or for the moment."""
        self._refused.pop(campaign_id, None)
        if lasting:
            self._refused[campaign_id] = (self.now + REFUSAL_S, Outcome.REJECTED.name)


def told_of(answer: Answer | None) -> str:
    """Return the word for an answer, or for none."""
    if answer is None:
        return HELD
    own = {
        Reason.INVALID_REQUEST: INVALID,
        Reason.TOKEN_CONFLICT: CONFLICT,
        Reason.WOULD_EXPIRE: WOULD_EXPIRE,
    }
    return own.get(answer.reason, answer.outcome.name)
