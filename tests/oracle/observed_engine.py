"""An engine that the oracle watches: the tests drive it, and every promise is checked at every step."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.core.answers import HELD, PURGED, CampaignRefusal
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.engine import Decision, Engine, Limits
from gateway.core.model import Answer, Batch, CallReport, DialRequest, Priority, Settled, Waiter
from tests.oracle.engine_checks import check_after_poll, check_bytes, check_caller, check_counts, check_end
from tests.oracle.oracle import Oracle
from tests.oracle.records import Caller
from tests.oracle.tokens import GroundTruth

MAX_QUEUES = 200
"""Callers whose queues are counted to check the engine's sum of bytes; more make every step slow."""

LONGEST_WORK = 20_000
"""Units of long work, more than any test has."""
LARGE_SLICE, IDLE_SLICES = 500, 4
"""So few slices of at least so many units do all work that neither answers nor drops a request."""


class ObservedEngine:
    """An engine and its oracle. `now` is set by the test, which also sends what the decisions say.

    `told` is called with the answers that come later than the request.
    """

    def __init__(
        self,
        limits: Limits,
        now: float,
        rng: random.Random,
        truth: GroundTruth | None = None,
        told: Callable[[Settled], object] = lambda settled: None,
    ) -> None:
        self.limits = limits
        self.engine = Engine(limits, rng)
        self.oracle = Oracle(limits, now, truth)
        self.look_up: list[str] = []
        self.callers: dict[Caller, None] = {}
        self._told = told
        self._unfinished = False
        self._idle_slices = 0
        self._held = 0

    @property
    def unfinished(self) -> bool:
        """Whether the last poll has left long work to be done."""
        return self._unfinished

    @property
    def now(self) -> float:
        """The present instant."""
        return self.oracle.at.now

    @now.setter
    def now(self, instant: float) -> None:
        assert instant >= self.oracle.at.now, "time goes back"
        self.oracle.at.now = instant

    @property
    def wake_at(self) -> float | None:
        """When the engine wants to be polled at the latest."""
        return self.oracle.wake_at

    @property
    def calls(self) -> Mapping[int, Batch]:
        """The calls in flight, by number."""
        return self.oracle.calls

    @property
    def asking(self) -> Sequence[int]:
        """The calls that wait for the permit of a further attempt."""
        return self.oracle.asking

    @property
    def holds(self) -> Mapping[str, bool]:
        """The campaigns that are held, each with whether the hold answers what waits."""
        return self.oracle.at.holds

    # --- callers -----------------------------------------------------------------------------------

    def submit(
        self,
        caller: Caller,
        *requests: DialRequest,
        priority: Priority = Priority.NORMAL,
        valid: bool = True,
    ) -> list[Answer | None]:
        """Send dial requests of one campaign; return the answers that are known at once."""
        self.callers[caller] = None
        arrivals = [(Waiter(caller.source, caller.sent + n), one) for n, one in enumerate(requests)]
        caller.sent += len(requests)
        call_rate = self.engine.call_rate
        self.engine.submit(self.now, arrivals, priority)
        settled = self.engine.take_answers(self.now)
        indexes = {waiter.index for waiter, _ in arrivals}
        known = [one for one in settled if one.waiter.source is caller.source and one.waiter.index in indexes]
        self._settled([one for one in settled if one not in known])  # earlier work has gone on as well
        answers = {one.waiter.index: one.answer for one in known}
        assert len(answers) == len(known), "answered twice"
        for waiter, request in arrivals:
            answer = answers.pop(waiter.index, None)
            self.oracle.submitted(
                caller, waiter.index, request, priority, answer, call_rate=call_rate, valid=valid
            )
        assert not answers, "an answer for nobody's request"
        return [caller.answers.get(waiter.index) for waiter, _ in arrivals]

    def close(self, caller: Caller) -> None:
        """Half-close."""
        caller.closed = True
        self.engine.source_closed(self.now, caller.source)
        self._after()

    def leave(self, caller: Caller) -> None:
        """Disconnect."""
        self.engine.source_gone(self.now, caller.source)
        self.oracle.left(caller)
        self._after()

    def end_stream(self, caller: Caller) -> None:
        """End a stream in good order: each of its requests is answered."""
        self.oracle.answers.ends(caller)
        self.engine.source_ending(self.now, caller.source)
        self._after()

    def withdraw(self, caller: Caller) -> None:
        """Let the deadline of a unary call come: everything is answered at once."""
        settled: list[Settled] = []
        while caller.source.pending:
            self.engine.withdraw(self.now, caller.source, limit=self.limits.slice_units)
            settled += self.engine.take_answers(self.now)
        own = [one for one in settled if one.waiter.source is caller.source]
        self._settled([one for one in settled if one not in own])  # streams that end have parted before
        self.oracle.answers.withdrawn(caller, own)
        self.oracle.answers.left(caller)
        self.oracle.notices.left(caller)
        self.oracle.gone.append(caller)
        self.engine.source_gone(self.now, caller.source)
        self._after()

    # --- calls -------------------------------------------------------------------------------------

    def poll(self) -> Decision:
        """Poll the engine; the oracle checks what it decides and what it leaves undone."""
        self.oracle.expire()
        self.oracle.steady = not self.engine.unfinished
        decision = self.engine.poll(self.now)
        settled = self.engine.take_answers(self.now)
        self.oracle.polled(decision, settled)
        self._tell(settled)
        if decision.revoked:
            self.oracle.revoked(decision.revoked)
        self.look_up += decision.look_up
        self._note_work(decision.wake_at)
        if not self._unfinished:
            check_after_poll(self.oracle, self.engine)
            self.check_sums()
        return decision

    def leaves(self, batch: Batch) -> None:
        """Let the first byte of an attempt leave."""
        self.oracle.leaves(batch)

    def arrives(self, batch: Batch) -> None:
        """Let an attempt arrive at Connect."""
        self.oracle.arrives(batch)

    def complete(self, batch: Batch, report: CallReport) -> None:
        """End a call."""
        self.oracle.returned(batch, report)
        self.engine.completed(self.now, batch, report)
        settled = self.engine.take_answers(self.now)
        self.oracle.completed(batch, report, settled)
        self._tell(settled)
        self._after()

    def ask_retry(self, batch: Batch) -> None:
        """Ask for the permit of a further attempt of a call."""
        self.oracle.asking.append(batch.number)
        self.engine.ask_retry(batch)

    def forget_retry(self, batch: Batch) -> None:
        """Ask no more."""
        self.oracle.asking.remove(batch.number)
        self.engine.forget_retry(batch)

    def looked_up(self, asked: list[str], states: Mapping[str, str]) -> None:
        """Let Connect tell the states of campaigns."""
        self.look_up = [name for name in self.look_up if name not in asked]
        self.engine.looked_up(self.now, asked, states)
        settled = self.engine.take_answers(self.now)
        self.oracle.looked_up(asked, states, settled)
        self._tell(settled)
        self._after()

    def may_not_look_up(self) -> None:
        """Let Connect refuse to tell states."""
        self.look_up = []
        self.engine.may_not_look_up(self.now)
        self.oracle.flow.may_not_look(self.now)

    # --- operators ---------------------------------------------------------------------------------

    def hold(self, campaign_id: str, *, answering: bool) -> list[Batch]:
        """Hold a campaign, or hold it otherwise; return its calls in flight, which are revoked."""
        self.engine.operator_actions.hold(self.now, campaign_id, Hold("me", "", self.now, answering))
        self.oracle.held(campaign_id, answering=answering)
        calls = self.engine.revoke_calls(campaign_id)
        self.oracle.revoked(calls, campaign_id)
        if answering:
            self._dismiss(campaign_id, HELD)
        self._after()
        return calls

    def release(self, campaign_id: str) -> None:
        """Release a campaign, if it is held."""
        action = OperatorAction(ActionKind.RELEASE, "me", "", self.now)
        was_held = self.engine.operator_actions.release(self.now, campaign_id, action)
        self.oracle.released(campaign_id, was_held=was_held)
        self._after()

    def purge(self, campaign_id: str) -> list[Batch]:
        """Purge a campaign; return its calls in flight, which are revoked."""
        calls = self.engine.revoke_calls(campaign_id, purging=True)
        self.oracle.revoked(calls, campaign_id)
        assert all(call.purged for call in calls)
        self._dismiss(campaign_id, PURGED)
        self._after()
        return calls

    def _dismiss(self, campaign_id: str, refusal: CampaignRefusal) -> None:
        entries = self.engine.operator_actions.waiting(campaign_id)
        count = self.engine.operator_actions.answer_waiting(self.now, entries, refusal)
        settled = self.engine.take_answers(self.now)
        self.oracle.dismissed(campaign_id, refusal.reason, count, settled)
        self._tell(settled)
        assert self.engine.operator_actions.answer_waiting(self.now, entries, refusal) == 0, "answered twice"
        assert self.engine.take_answers(self.now) == [], "answered twice"

    # --- the end -----------------------------------------------------------------------------------

    def drain(self, send_until: float) -> None:
        """Begin to leave."""
        self.oracle.drains(send_until)
        self.engine.drain(self.now, send_until)
        self._after()

    def abandon(self, unsent: Sequence[Batch] = ()) -> None:
        """Leave now: everybody is answered, and no report of a call in flight counts any more."""
        calls = list(self.calls.values())
        self.oracle.abandons({call.number for call in unsent})
        self.engine.abandon(self.now, unsent)
        while self.engine.unfinished:
            self.engine.do_slice(self.now)
        self._settled(self.engine.take_answers(self.now))
        for batch in calls:
            self.engine.completed(self.now, batch, CallReport())
            assert self.engine.take_answers(self.now) == [], "answered twice"
        self._unfinished = False
        self.check_sums()

    # --- checks ------------------------------------------------------------------------------------

    def check_sums(self, callers: Iterable[Caller] = ()) -> None:
        """Check the engine's sums if it has no unfinished work, and what each of these callers waits for."""
        if self._unfinished or self.engine.unfinished:
            return
        check_counts(self.oracle, self.engine)
        self._forget_idle()
        if len(self.callers) <= MAX_QUEUES:
            check_bytes(self.oracle, self.engine, self.callers)
        for caller in callers:
            check_caller(caller)

    def check_end(self, callers: Iterable[Caller]) -> None:
        """Check that everybody was answered and nothing is left."""
        check_end(self.oracle, self.engine, callers)

    def _forget_idle(self) -> None:
        for caller in [caller for caller in self.callers if caller.gone and not caller.source.queues]:
            del self.callers[caller]

    def _note_work(self, wake_at: float | None) -> None:
        """Note whether the engine wants to be polled again at once, which it may for long work only."""
        self._unfinished = wake_at is not None and wake_at <= self.now
        assert self._unfinished or not self.engine.unfinished, "asleep over unfinished work"
        idle = self._unfinished and self.engine.outstanding == self._held
        self._held, self._idle_slices = self.engine.outstanding, self._idle_slices + 1 if idle else 0
        large = self.limits.slice_units >= LARGE_SLICE
        most = IDLE_SLICES if large else LONGEST_WORK // self.limits.slice_units
        assert self._idle_slices <= most, "polled again and again, for nothing"

    def _after(self) -> None:
        """Note whether long work is left; otherwise what the engine has answered late must be complete."""
        self._unfinished |= self.engine.unfinished
        self._settled(self.engine.take_answers(self.now))
        if not self._unfinished:
            assert not self.oracle.backlog.refused, "waits for a campaign that was refused"

    def _settled(self, settled: list[Settled]) -> None:
        """Check answers that do not follow from the event itself but from long work that went on with it."""
        self.oracle.answers.settled(settled, {})
        self._tell(settled)

    def _tell(self, settled: list[Settled]) -> None:
        for one in settled:
            self._told(one)
