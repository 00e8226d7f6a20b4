"""Answers: exactly one per dial request, shared by all who joined it, and true.

An answer is true if it agrees with what calls have reported of the request, and, where the test has a model
of Connect, with what Connect has.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.core.engine import Limits
from gateway.core.model import DENIALS, Answer, DialRequest, Outcome, Reason, Settled
from tests.oracle.records import EXACT_S, Backlog, Caller, Key, Outstanding, Place, Waiting, caller_of
from tests.oracle.tokens import Fate, GroundTruth, Tokens


@dataclass
class Situation:
    """What operators and the gateway's own end decide, and the present instant."""

    now: float
    holds: dict[str, bool] = field(default_factory=dict)
    send_until: float | None = None
    purging: str = ""

    @property
    def draining(self) -> bool:
        """Whether the gateway drains."""
        return self.send_until is not None

    @property
    def sending(self) -> bool:
        """Whether calls may still leave."""
        return self.send_until is None or self.now < self.send_until


class Answers:
    """Checks every answer, and keeps backlog and memory of tokens in step with it."""

    def __init__(
        self,
        limits: Limits,
        situation: Situation,
        backlog: Backlog,
        tokens: Tokens,
        truth: GroundTruth | None,
    ) -> None:
        self._limits = limits
        self._at = situation
        self._backlog = backlog
        self._tokens = tokens
        self._truth = truth
        self.owed: set[Caller] = set()
        # Dropped requests whose answer was owed to a stream that ends. It parts in slices of work, so the
        # request may have come to another end, such as its expiry, before the gateway dropped it.
        self.perhaps_answered = 0
        self._counted: set[Outstanding] = set()

    # --- answers that come at once -------------------------------------------------------------------

    def at_once(self, request: DialRequest, answer: Answer, fate: Fate) -> None:
        """Check an answer that `submit` returned."""
        now, key = self._at.now, (request.campaign_id, request.client_token)
        assert answer.outcome not in DENIALS or not request.in_doubt, "denied, though it was in doubt"
        assert answer.replayed == (fate is Fate.REPLAYED)
        memory = self._tokens.remembered(now, key)
        if fate is Fate.REPLAYED:
            assert memory is not None
            assert answer.dial_request_id == memory.dial_request_id, "replayed with another id"
            if self._truth is not None:
                assert answer.dial_request_id in self._truth.ids[key], "Connect gave no such id"
            return
        assert not answer.dial_request_id
        self._tokens.excuse(now, key)
        if fate in {Fate.INVALID, Fate.CONFLICT} or answer.outcome is Outcome.UNKNOWN:
            return
        assert answer.reason is not Reason.WOULD_EXPIRE or self._limits.forecast
        self._check_denial(request, answer)
        self._tokens.denied(key)

    # --- answers of outstanding requests ---------------------------------------------------------------

    def settled(self, settled: Iterable[Settled], ids: Mapping[Key, str]) -> dict[Key, Answer]:
        """Check answers that come out of the engine; `ids` are what Connect has just accepted.

        Return the answers of the requests that are not outstanding any more.
        """
        answers: dict[Key, Answer] = {}
        told: dict[Key, list[tuple[Waiting, Answer]]] = defaultdict(list)
        owed: list[tuple[Waiting, Key, Answer]] = []
        for waiter, campaign_id, client_token, answer in settled:
            key, caller = (campaign_id, client_token), caller_of(waiter.source)
            assert not caller.gone, "an answer for a caller that is gone"
            assert waiter.index not in caller.answers, "answered twice"
            caller.answers[waiter.index] = answer
            if waiter.index in caller.owed:
                owed.append(((caller, waiter.index), key, answer))
                continue
            assert caller.waiting.pop(waiter.index, None) == key, "an answer that nobody waits for"
            told[key].append(((caller, waiter.index), answer))
        for waiting, key, answer in owed:
            shared = any(answer is other for _, other in told.get(key, ()))
            self._check_owed(waiting, key, answer, shared=shared)
        for key, ones in told.items():
            one = self._backlog.outstanding[key]
            staying = self._without_partings(one, ones)
            if staying:
                answers[key] = self._shared(one, staying)
                self._settle(one, answers[key], ids.get(key, ""))
        return answers

    def _shared(self, one: Outstanding, told: list[tuple[Waiting, Answer]]) -> Answer:
        """Check that all who wait for a request got the same answer; return it."""
        answer = told[0][1]
        assert all(other is answer for _, other in told), "callers of one request were told different things"
        waiters = {waiter for waiter, _ in told}
        assert waiters == set(one.waiters), "a caller that joined did not get the answer"
        return answer

    def _settle(self, one: Outstanding, answer: Answer, id_: str) -> None:
        """Take out a request that is answered, and check that the answer may be true."""
        key, now = one.key, self._at.now
        accepted, unknown = answer.outcome is Outcome.ACCEPTED, answer.outcome is Outcome.UNKNOWN
        assert accepted == bool(id_), "ACCEPTED without Connect's word, or not ACCEPTED despite it"
        assert answer.dial_request_id == id_
        assert not answer.replayed
        assert not one.refused or not accepted
        if accepted and self._truth is not None:
            assert self._truth.journal.get(key) == id_, "Connect does not have it"
        assert accepted or unknown or not one.must_doubt, "denied, though Connect may have it"
        assert not unknown or one.may_doubt, "UNKNOWN, though Connect cannot have it"
        in_call = one.place is Place.IN_CALL
        assert accepted or unknown or not in_call, "denied, though Connect may get it"
        assert not in_call or self._at.draining, "answered while its call goes on"
        if answer.outcome in DENIALS:
            self._check_outstanding_denial(one, answer)
        self._backlog.remove(one)
        if one.called:
            self._tokens.touched(now, key)
        if unknown and not one.called:
            return  # a doubt that only the caller has stated is not remembered
        self._tokens.forget(key)
        if accepted or unknown:
            self._tokens.remember(now, one, id_)

    def _check_outstanding_denial(self, one: Outstanding, answer: Answer) -> None:
        assert answer.reason is not Reason.WOULD_EXPIRE, "a forecast for a request that waits already"
        if answer.outcome is Outcome.EXPIRED:
            held = one.key[0] in self._at.holds
            assert (answer.reason is Reason.HELD) == held, "expired for another reason than the hold"
        self._check_denial(one.request, answer)
        self._tokens.denied(one.key)

    def _check_denial(self, request: DialRequest, answer: Answer) -> None:
        """Check that Connect does not have a request that is denied, and that the reason holds."""
        campaign_id, token = request.campaign_id, request.client_token
        reason, outcome, now = answer.reason, answer.outcome, self._at.now
        if self._truth is not None:
            has = (campaign_id, token) in self._truth.journal
            assert not has, f"Connect has it, and the answer is {outcome.name}"
            invalid = reason is Reason.INVALID_INPUT and outcome is Outcome.REJECTED
            assert not invalid or self._truth.refuses(token), "refused for its neighbor's fault"
        if outcome is Outcome.EXPIRED and reason is not Reason.WOULD_EXPIRE:
            assert self._tokens.give_up_at(request) <= now + EXACT_S, "expired before its time"
        elif outcome is Outcome.NOT_ACCEPTED and reason is Reason.HELD:
            assert self._at.holds.get(campaign_id), "answered HELD, and no hold says so"
        elif reason is Reason.DRAINING:
            assert self._at.draining, "answered DRAINING by a gateway that stays"
        elif reason is Reason.PURGED:
            assert campaign_id == self._at.purging, "answered PURGED without a purge"

    # --- callers that leave ----------------------------------------------------------------------------

    def left(self, caller: Caller) -> int:
        """Forget a caller that is gone; return how many requests are dropped unsent because of it."""
        dropped = 0
        for index, key in caller.waiting.items():
            one = self._backlog.outstanding[key]
            self._backlog.leave(one, (caller, index))
            if not one.waiters and one.place is not Place.IN_CALL:
                self.drop(one)
                dropped += 1
                self._count_dropped(one)
        caller.waiting.clear()
        unanswered = {one for one, _ in caller.owed.values() if not one.waiters} - self._counted
        caller.owed.clear()
        self.owed.discard(caller)
        caller.gone = True
        for one in unanswered:  # its stream ended, and it did not stay for the answers
            self._count_dropped(one)
        return dropped + len(unanswered)

    def withdrawn(self, caller: Caller, settled: Iterable[Settled]) -> None:
        """Check that a caller whose deadline is near is told the truth about all it waits for."""
        answers = {waiter.index: answer for waiter, _, _, answer in settled}
        assert answers.keys() == caller.waiting.keys(), "not everything was answered at the deadline"
        for index, answer in answers.items():
            assert answer.reason is Reason.DEADLINE
            outcomes = self._partings(caller, caller.waiting[index])
            assert answer.outcome in outcomes, f"told {answer.outcome}, not one of {outcomes}"
            self._check_parting(caller.waiting[index], answer)
        caller.answers.update(answers)

    def ends(self, caller: Caller) -> None:
        """Note that the stream of a caller ends: what it waits for and is in no call must be answered now."""
        caller.closed = caller.ending = True
        for index, key in list(caller.waiting.items()):
            if self._backlog.outstanding[key].place is not Place.IN_CALL:
                self._owe(caller, index, key)

    def part_with_ending(self, one: Outstanding) -> None:
        """Note that a request came back from its call undecided: callers whose streams end wait no longer."""
        for caller, index in list(one.waiters):
            if caller.ending:
                self._owe(caller, index, one.key)

    def _owe(self, caller: Caller, index: int, key: Key) -> None:
        one = self._backlog.outstanding[key]
        caller.owed[index] = (one, self._partings(caller, key))
        self.owed.add(caller)
        del caller.waiting[index]
        self._backlog.leave(one, (caller, index))
        if not one.waiters:
            self.drop(one)

    def _without_partings(
        self, one: Outstanding, told: list[tuple[Waiting, Answer]]
    ) -> list[tuple[Waiting, Answer]]:
        """Check the answers to callers whose streams end, and return the others.

        A request that has just left its call undecided may go on without these callers.
        """
        parted = [each for each in told if each[0][0].ending and each[1].reason is Reason.DRAINING]
        shared = len({id(answer) for _, answer in told}) == 1 and len(told) == len(one.waiters)
        if self._at.draining and shared:
            return told  # the gateway itself leaves, and answers all who wait
        for waiter, answer in parted:
            assert one.place is not Place.IN_CALL, "told that its stream ends, though the call goes on"
            outcomes = self._partings(waiter[0], one.key)
            assert answer.outcome in outcomes, f"told {answer.outcome}, not one of {outcomes}"
            self._check_parting(one.key, answer)
            self._backlog.leave(one, waiter)
            if not one.waiters:
                self.drop(one)
        return [each for each in told if each not in parted]

    def _check_owed(self, waiting: Waiting, key: Key, answer: Answer, *, shared: bool) -> None:
        """Check the answer for a request that goes on, or ended, without a caller whose stream ends.

        Parting takes slices of work, so the request may have come to another end before. If this end is that
        the gateway drains, all who wait have `shared` one answer, and `_settle` checks that it is true.
        """
        caller, index = waiting
        one, outcomes = caller.owed.pop(index)
        if not caller.owed:
            self.owed.discard(caller)
        assert key == one.key, "an answer that nobody waits for"
        assert answer.outcome is not Outcome.ACCEPTED
        if answer.reason is not Reason.DRAINING:
            assert answer.outcome in DENIALS or one.may_doubt
            self._check_denial(one.request, answer)
            return
        dropped = not one.waiters and not one.must_doubt
        not_sent = (dropped or shared) and answer.outcome is Outcome.NOT_ACCEPTED
        assert answer.outcome in outcomes or not_sent
        self._check_parting(key, answer)

    def _count_dropped(self, one: Outstanding) -> None:
        self._counted.add(one)
        self.perhaps_answered += any(
            one is other for caller in self.owed for other, _ in caller.owed.values()
        )

    def _check_parting(self, key: Key, answer: Answer) -> None:
        """Check that a request is not denied to a caller that leaves, though Connect has it."""
        denied = answer.outcome is Outcome.NOT_ACCEPTED
        assert not denied or self._truth is None or key not in self._truth.journal

    def _partings(self, caller: Caller, key: Key) -> set[Outcome]:
        """Return what is true for a caller that leaves a request before it is settled."""
        one = self._backlog.outstanding[key]
        others = any(waiter is not caller for waiter, _ in one.waiters)
        if one.place is Place.IN_CALL or others or one.must_doubt:
            return {Outcome.UNKNOWN}
        return {Outcome.NOT_ACCEPTED, Outcome.UNKNOWN} if one.may_doubt else {Outcome.NOT_ACCEPTED}

    def drop(self, one: Outstanding) -> None:
        """Remove a request that nobody waits for: it must never be sent; doubts of its calls stay."""
        self._backlog.remove(one)
        self._tokens.denied(one.key)
        if one.called:
            self._tokens.touched(self._at.now, one.key)
            self._tokens.forget(one.key)
            if one.may_doubt:
                self._tokens.remember(self._at.now, one, "", sure=one.must_doubt)

    def vanish(self, one: Outstanding, id_: str) -> None:
        """Note the end of a call for a request that nobody waits for any more."""
        self.drop(one)
        if id_:
            self._tokens.remember(self._at.now, one, id_)
