"""A model beside the engine: sees all that goes in and comes out, and checks the promises on the way.

It knows nothing of how the engine works. What only a look inside would tell, such as the length of
a random pause, it leaves open.
"""

from collections import Counter
from collections.abc import Mapping

from gateway.core import answers
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.engine import BODY_COPIES
from gateway.core.errors import AccessDenied, CallHindered, CampaignNotFound, RateThrottled
from gateway.core.model import (
    Batch,
    CallReport,
    DialRequest,
    ItemFailure,
    Outcome,
    Priority,
    Waiter,
)
from gateway.core.scheduling.pacing import RETRY_CREDIT, RETRY_SHARE
from gateway.core.tokens.outstanding import CAMPAIGN_BYTES, JOIN_BYTES, QUEUE_BYTES
from tests.unit.core.book import (
    EXACT_S,
    HELD,
    INVALID,
    WOULD_EXPIRE,
    Caller,
    Place,
    told_of,
)
from tests.unit.core.sentry import Sentry


class Watcher(Sentry):
    """An engine with every promise checked at every step."""

    # --- events ----------------------------------------------------------------------------------

    def submit(
        self,
        caller: Caller,
        request: DialRequest,
        priority: Priority = Priority.NORMAL,
        *,
        valid: bool = True,
    ) -> None:
        """Send a dial request: it is answered, joined or taken in as promised."""
        key = (request.campaign_id, request.client_token)
        index = caller.sent
        caller.sent += 1
        allowed = self.allowed(key, request) if valid else {INVALID}
        if allowed >= {HELD} and not request.in_doubt and self._may_be_late(request, self.held.get(key)):
            allowed |= {WOULD_EXPIRE}
        told = self.engine.submit(self.now, [(Waiter(caller.source, index), request)], priority)
        answer = told[0].answer if told else None
        assert told_of(answer) in allowed, f"{told_of(answer)}, not one of {allowed}"
        if answer is not None:
            caller.answers[index] = answer
            assert not request.in_doubt or answer.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}
            if answer.outcome is Outcome.ACCEPTED:
                assert answer.replayed
                assert answer.dial_request_id == self.memory[key].dial_request_id
            return
        caller.waiting[index] = key
        if key in self.held:
            self.held[key].waiters.append((caller, index))
            if request.in_doubt:
                self.held[key].must_doubt = self.held[key].may_doubt = True
        else:
            self.hold(key, request, (caller, index))
            self.held[key].priority = priority
        self.held[key].priority = min(self.held[key].priority, priority)

    def close(self, caller: Caller) -> None:
        """Half-close."""
        caller.closed = True
        self.engine.source_closed(self.now, caller.source)

    def leave(self, caller: Caller) -> None:
        """Disconnect: what nobody else waits for is dropped, unless it is in a call."""
        self.engine.leave(self.now, caller.source)
        self.dropped += self._forget(caller)
        assert self.engine.dropped == self.dropped

    def withdraw(self, caller: Caller) -> None:
        """Have everything answered at once, truly."""
        waiting = dict(caller.waiting)
        allowed = {key: self._fates_at_deadline(caller, key) for key in waiting.values()}
        told = {
            waiter.index: answer for waiter, _, _, answer in self.engine.withdraw(self.now, caller.source)
        }
        assert told.keys() == waiting.keys()
        self._forget(caller)
        for index, key in waiting.items():
            assert told[index].outcome in allowed[key]
        caller.answers.update(told)
        self.engine.leave(self.now, caller.source)
        assert self.engine.dropped == self.dropped

    def complete(self, batch: Batch, report: CallReport) -> None:
        """End a call: what it settles is answered truly, the rest waits again."""
        del self.calls[batch.number]
        keys = [(batch.campaign_id, entry.request.client_token) for entry in batch.entries]
        for key in keys:
            self.weigh(self.held[key], report)
        rate = ItemFailure.RATE in report.failed.values()
        self.throttled |= rate or isinstance(report.failure, RateThrottled | CallHindered)
        ids = {(batch.campaign_id, token): id_ for token, id_ in report.accepted.items()}
        self.missed |= isinstance(report.failure, CampaignNotFound)
        self.flow.note(self.now, batch, report)
        told = self._take(self.engine.completed(self.now, batch, report), ids)
        if self.flow.refused(report):
            self._check_refused(batch.campaign_id)
            lasting = not isinstance(report.failure, AccessDenied | CallHindered)
            self.note_refusal(batch.campaign_id, lasting=lasting)
        if self.flow.completed(self.now, batch, report) and batch.campaign_id not in self.holds:
            self._flows(batch.campaign_id)
        for key in keys:
            if key in self.held and not self.held[key].waiters:
                self.vanish(key, ids.get(key, ""))
            elif key in self.held:
                assert key not in ids
                self._back(key, batch, report)
            else:
                assert key not in ids or told[key].outcome is Outcome.ACCEPTED

    def ask_retry(self, batch: Batch) -> None:
        """Ask for the permit of another attempt."""
        self.asked.append(batch.number)
        self.engine.ask_retry(batch)

    def forget_retry(self, batch: Batch) -> None:
        """Ask no more."""
        self.asked.remove(batch.number)
        self.engine.forget_retry(batch)

    def drain(self, send_until: float) -> None:
        """Begin to leave."""
        self.send_until = send_until
        self.engine.drain(self.now, send_until)

    def looked_up(self, states: Mapping[str, str]) -> None:
        """Let Connect tell the states of the campaigns that were asked about."""
        asked, self.look_up = self.look_up, []
        told = self._take(self.engine.looked_up(self.now, asked, states), {})
        for campaign_id in self.flow.looked_up(self.now, asked, states):
            if states[campaign_id] != "Running":
                self._check_refused(campaign_id)
                self.note_refusal(campaign_id, lasting=True)
            if campaign_id not in self.holds:
                self._flows(campaign_id)
        assert {campaign for campaign, _ in told} <= {name for name in asked if states.get(name) != "Running"}

    def may_not_look_up(self) -> None:
        """Let Connect refuse to tell states."""
        self.look_up = []
        self.engine.may_not_look_up(self.now)
        self.flow.may_not_look(self.now)

    # --- steering --------------------------------------------------------------------------------

    def hold_campaign(self, campaign_id: str, *, answering: bool) -> None:
        """Hold a campaign, or hold it otherwise."""
        self.engine.operator_actions.hold(self.now, campaign_id, Hold("me", "", self.now, answering))
        self.holds[campaign_id] = answering
        if answering:
            self._dismiss(campaign_id, answers.HELD)

    def release_campaign(self, campaign_id: str) -> None:
        """Release a campaign, if it is held."""
        action = OperatorAction(ActionKind.RELEASE, "me", "", self.now)
        released = self.engine.operator_actions.release(self.now, campaign_id, action)
        assert released == (self.holds.pop(campaign_id, None) is not None)
        self._refused_under_hold.discard(campaign_id)
        if released:
            self._steered.add(campaign_id)
            self._flows(campaign_id)

    def purge_campaign(self, campaign_id: str) -> None:
        """Purge a campaign."""
        self._dismiss(campaign_id, answers.PURGED)

    def _dismiss(self, campaign_id: str, refusal: answers.CampaignRefusal) -> None:
        """Check that what is in no call is answered, with one reason, and nothing else is."""
        queued = {key for key, held in self.held.items() if held.place is not Place.IN_CALL}
        resting = {key for key in queued if key[0] == campaign_id}
        entries = self.engine.operator_actions.resting(campaign_id)
        count, settled = self.engine.operator_actions.dismiss(self.now, entries, refusal)
        told = self._take(settled, {})
        assert told.keys() == resting
        assert count == len(resting)
        assert {answer.reason for answer in told.values()} <= {refusal.reason}
        assert self.engine.operator_actions.dismiss(self.now, entries, refusal) == (0, [])

    def abandon(self) -> None:
        """Leave now: everybody is answered, and nothing of the calls under way is believed."""
        for key, held in list(self.held.items()):
            if held.place is Place.IN_CALL:
                held.must_doubt = held.may_doubt = True
                if not held.waiters:
                    self.drop(key)
        self._take(self.engine.abandon(self.now), {})
        assert not self.held
        for batch in self.calls.values():
            assert self.engine.completed(self.now, batch, CallReport()) == []
        self.calls.clear()
        self.asked.clear()

    def poll(self) -> None:
        """Poll: legal, timely, full and paced calls come out, and the next instant is honest."""
        self.flow.polled(self.now, self._waiting())
        backlog = self._backlog()
        decision = self.engine.poll(self.now)
        self._take(decision.settled, {})
        for number in decision.granted:
            assert self.calls[number].campaign_id not in self.holds, "another attempt under a hold"
            self.asked.remove(number)
            self._spend()
            self._credit -= 1.0
            assert self._credit > -EXACT_S, "more retries than the budget"
        for number in decision.denied:
            self.asked.remove(number)
            leaving = self.send_until is not None and self.now >= self.send_until
            late = number in self.calls and self.now >= self.calls[number].give_up_at
            stopped = number in self.calls and self.calls[number].campaign_id in self.holds
            assert self._credit < 1.0 or leaving or late or stopped
        for batch in decision.batches:
            self._check_call(batch, backlog)
            self._spend()
            self._credit = min(RETRY_CREDIT, self._credit + RETRY_SHARE)
        waiting = Counter(key[0] for key, held in self.held.items() if held.place is not Place.IN_CALL)
        self.flow.asked(self.now, decision.look_up, waiting)
        self.look_up += decision.look_up
        self.flow.polled(self.now, self._waiting())
        self._take_notices(decision.notices)
        self.wake_at = decision.wake_at
        self._check_rest()

    # --- what must hold after every step ------------------------------------------------------------

    def check_books(self, callers: list[Caller]) -> None:
        """What is held, by count, by bytes and by caller, is what was not answered yet."""
        joins = sum(max(0, len(held.waiters) - 1) for held in self.held.values())
        assert self.engine.held == len(self.held) + joins
        campaigns = len({campaign_id for campaign_id, _ in self.held})
        queues = sum(len(caller.source.queues) for caller in callers)
        sent = sum(entry.request.size_bytes for call in self.calls.values() for entry in call.entries)
        assert self.engine.held_bytes == (
            self.held_bytes
            + joins * JOIN_BYTES
            + campaigns * CAMPAIGN_BYTES
            + queues * QUEUE_BYTES
            + sent * BODY_COPIES
        )
        assert self.engine.room() <= self.limits.queue_limit - self.engine.held
        assert self.engine.calls_in_flight == len(self.calls)
        assert self.engine.draining == (self.send_until is not None)
        for caller in callers:
            assert caller.source.pending.keys() == caller.waiting.keys()
            if not caller.gone:
                assert len(caller.answers) + len(caller.waiting) == caller.sent
