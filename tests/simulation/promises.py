"""What is promised, checked beside the engine from what goes in and comes out: the book of a simulation."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from gateway.core.answers import refusal_of
from gateway.core.campaigns.notices import Told
from gateway.core.engine import Limits
from gateway.core.errors import CampaignNotFound, CampaignNotRunning
from gateway.core.intake.admission import SEND_MARGIN_S
from gateway.core.model import (
    BATCH_LIMIT,
    DENIALS,
    Answer,
    Batch,
    CallReport,
    DialRequest,
    FlushReason,
    ItemFailure,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    Settled,
    Source,
)
from gateway.core.scheduling.proven import DOUBT_S
from gateway.core.scheduling.ready import LOOK_AHEAD
from tests.simulation.connect_model import INVALID, POISON, Bucket, Connect, Key

EXACT_S = 1e-6
SURE_PAUSE_S = 0.8
"""A campaign that is throttled for capacity is left in peace for so long at least."""
OWN_WORD = {Reason.INVALID_REQUEST, Reason.TOKEN_CONFLICT}
RESTING_STATES = {"Paused", "Initialized"}


@dataclass(eq=False)
class Caller:
    """A source of a service, with what it waits for and what it was told."""

    name: str
    service: str = ""
    source: Source = field(default_factory=Source)
    sent: int = 0
    closed: bool = False
    gone: bool = False
    waiting: dict[int, Key] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source.owner = self
        self.source.caller = self.service


@dataclass(eq=False)
class Held:
    """A dial request in the gateway. `fresh`: it was in no call yet.

    `in_doubt`: one who waits for it says that an earlier attempt may have been made.
    """

    request: DialRequest
    give_up_at: float
    since: float
    priority: Priority
    waiters: list[tuple[Caller, int]]
    fresh: bool = True
    in_call: bool = False
    in_doubt: bool = False


class Book:
    """Keeps what is held and known of every token, and checks each event against it."""

    def __init__(self, limits: Limits, connect: Connect) -> None:
        self.limits = limits
        self.connect = connect
        self.held: dict[Key, Held] = {}
        self.fresh: dict[str, dict[Key, Held]] = defaultdict(dict)
        self.known: dict[Key, tuple[float, DialRequest, str]] = {}
        self.doubt: set[Key] = set()
        self.denied: set[Key] = set()
        self.touched: dict[Key, float] = {}
        self.parked: set[str] = set()
        self.cooling: dict[str, float] = {}
        self.disturbed: dict[str, float] = {}
        self.knowing: dict[str, dict[Caller, NoticeKind]] = defaultdict(dict)
        self.holds: dict[str, bool] = {}
        self.steered: set[str] = set()
        self.draining = False
        self.may_look = True
        self.purging = ""
        self.single_priority = True
        self.suspect_calls: Counter[str] = Counter()
        self.passed: dict[str, Counter[str]] = defaultdict(Counter)
        self.services: set[str] = set()
        self.passed_services: Counter[str] = Counter()
        self.accepted: set[str] = set()
        self.missed_at: dict[str, float] = {}
        self.quota = Bucket(limits.call_rate, limits.call_burst)
        self.sure = Bucket(limits.call_rate, limits.call_burst)
        self.under_way = 0

    # --- callers -----------------------------------------------------------------------------------

    def submitted(
        self,
        now: float,
        waiter: tuple[Caller, int],
        request: DialRequest,
        priority: Priority,
        answer: Answer | None,
    ) -> None:
        """Check what a caller is told of a request at once, and enter the request where it is held."""
        key = (request.campaign_id, request.client_token)
        held = self.held.get(key)
        if held is not None:
            self._check_join(held, request, answer)
        else:
            self._check_memory(now, key, request, answer)
        if answer is not None:
            assert answer.outcome not in DENIALS or not request.in_doubt, "denied, though it was in doubt"
            if answer.reason not in OWN_WORD and not answer.replayed:
                self._check_truth(now, key, request, answer, at_once=True)
            return
        waiter[0].waiting[waiter[1]] = key
        self.services.add(waiter[0].service)
        if held is not None:
            held.waiters.append(waiter)
            held.in_doubt |= request.in_doubt
            if held.in_doubt and not held.fresh:
                self.doubt.add(key)  # a call has carried it, so the doubt is remembered
            held.priority = min(held.priority, priority)
            return
        give_up_at = request.expires_at - self.limits.expiry_headroom_s - SEND_MARGIN_S
        assert give_up_at > now, "taken in though its time is up"
        self.held[key] = Held(request, give_up_at, now, priority, [waiter], in_doubt=request.in_doubt)
        self.fresh[request.campaign_id][key] = self.held[key]
        self.denied.discard(key)

    def left(self, now: float, caller: Caller) -> int:
        """Forget a caller; return how many requests nobody waits for any more and are unsent."""
        dropped = 0
        for index, key in caller.waiting.items():
            held = self.held[key]
            held.waiters.remove((caller, index))
            if not held.waiters and not held.in_call:
                self._release(now, key)
                self.denied.add(key)  # unsent and forgotten: it must never be sent
                dropped += 1
        caller.waiting.clear()
        caller.gone = True
        return dropped

    def withdrawn(self, now: float, caller: Caller, settled: list[Settled]) -> None:
        """Check that a caller whose deadline is near is told the truth about all it waits for."""
        told = {each.waiter.index: each.answer for each in settled}
        assert told.keys() == caller.waiting.keys()
        for index, key in caller.waiting.items():
            held, answer = self.held[key], told[index]
            goes_on = held.in_call or any(waiter is not caller for waiter, _ in held.waiters)
            assert answer.reason is Reason.DEADLINE
            assert not goes_on or answer.outcome is Outcome.UNKNOWN
            assert answer.outcome is Outcome.UNKNOWN or not held.in_doubt
            doubt = key in self.doubt or held.in_doubt
            assert goes_on or answer.outcome is Outcome.NOT_ACCEPTED or doubt
            assert goes_on or answer.outcome is Outcome.UNKNOWN or key not in self.connect.journal
        caller.answers.update(told)
        self.left(now, caller)

    # --- calls -------------------------------------------------------------------------------------

    def formed(self, now: float, batch: Batch) -> None:
        """Check that a call is legal, timely, sent for good reason and in fair turns."""
        campaign_id = batch.campaign_id
        keys = [(entry.request.campaign_id, entry.request.client_token) for entry in batch.entries]
        assert 1 <= len(keys) == len(set(keys)) <= BATCH_LIMIT, "not a legal call"
        assert all(key[0] == campaign_id for key in keys), "two campaigns in a call"
        assert batch.attempts_left >= 1
        self.may_send(now, batch)
        self._calls_under_way(now, 1)
        self._check_condition(now, batch)
        suspect = batch.flush is FlushReason.SUSPECT
        whole = suspect or batch.flush is FlushReason.PROBE or len(keys) == BATCH_LIMIT
        assert whole or len(self.fresh[campaign_id]) < BATCH_LIMIT, "a call is not full under backlog"
        for key in keys:
            held = self.held[key]
            assert not held.in_call, "a token in two calls"
            assert key not in self.known or not self._is_known(now, key), "sent again though it was accepted"
            held.in_call, held.fresh = True, False
            self.fresh[campaign_id].pop(key, None)
        self._check_turns(now, batch)
        if suspect:
            self.suspect_calls[campaign_id] += 1
            assert self.suspect_calls[campaign_id] <= 14 + now, "too many calls in search of a bad item"

    def may_send(self, now: float, batch: Batch) -> None:
        """Check that an attempt is within the quota and early enough."""
        latest = min(entry.request.expires_at for entry in batch.entries) - self.limits.expiry_headroom_s
        assert now < latest, "sent too late"
        assert batch.campaign_id not in self.holds, "sent for a campaign that is held"
        if self.limits.call_rate:
            assert self.quota.take(now), "more calls than burst and rate allow"
            self.sure.take(now)

    def permit_lost(self, now: float) -> None:
        """Note that a permit was given for which no call leaves."""
        self.quota.take(now)
        self.sure.take(now)

    def _calls_under_way(self, now: float, more: int) -> None:
        """Note how many calls may not have arrived: what Connect's bucket would gain for them is not sure."""
        self.sure.level(now)
        self.under_way += more
        self.sure.burst = max(self.limits.call_burst - self.under_way, 1.0)

    def arrives(self, batch: Batch) -> None:
        """Check that Connect is not given what a caller was told it does not have."""
        for entry in batch.entries:
            key = (batch.campaign_id, entry.request.client_token)
            assert key not in self.denied, "sent after a caller was told that it is not"

    def weigh(self, now: float, batch: Batch, report: CallReport) -> None:
        """Take in what a call says, before the engine does."""
        self._calls_under_way(now, -1)
        for entry in batch.entries:
            key = (batch.campaign_id, entry.request.client_token)
            self.held[key].in_call = False
            self.touched[key] = now
            if key[1] in report.accepted:
                self.known[key] = (now, entry.request, report.accepted[key[1]])
            elif (
                report.uncertain
                or (report.failure is None and key[1] not in report.failed)
                or self.held[key].in_doubt
            ):
                self.doubt.add(key)
        self._weigh_condition(now, batch, report)
        if report.accepted:
            self.accepted.add(batch.campaign_id)
        if isinstance(report.failure, CampaignNotFound):
            self.accepted.discard(batch.campaign_id)
            # A source that has left since was still in the call.
            self.missed_at.update(dict.fromkeys(self.services, now))

    def in_doubt(self, now: float, campaign_id: str) -> bool:
        """Whether a campaign may be kept back, as calls of a service have found no such campaign of late."""
        missed = any(now < at + DOUBT_S for at in self.missed_at.values())
        return missed and campaign_id not in self.accepted

    def after_call(self, now: float, batch: Batch) -> None:
        """Forget what a call carried and nobody waits for, once the engine has done so."""
        for entry in batch.entries:
            key = (batch.campaign_id, entry.request.client_token)
            held = self.held.get(key)
            if held is not None and not held.waiters:
                self._release(now, key)

    def looked_up(self, campaign_ids: list[str], states: dict[str, str]) -> None:
        """Note which campaigns Connect says are parked no longer."""
        for name in campaign_ids:
            if states.get(name) in {"Stopped", "Failed", "Completed", "NotFound"}:
                self.knowing.pop(name, None)  # answers say that it has ended
        self.parked -= {name for name in campaign_ids if states.get(name, "Paused") not in RESTING_STATES}

    # --- answers -----------------------------------------------------------------------------------

    def settled(self, now: float, answers: list[Settled]) -> None:
        """Check that each who waits is answered once, that all who joined are, and that it is true."""
        told: dict[Key, set[tuple[Caller, int]]] = defaultdict(set)
        for waiter, campaign_id, token, answer in answers:
            key = (campaign_id, token)
            caller: Caller = waiter.source.owner
            assert caller.waiting.pop(waiter.index, None) == key, "answered twice, or nobody's"
            caller.answers[waiter.index] = answer
            if not told[key]:
                self._check_truth(now, key, self.held[key].request, answer, at_once=False)
            told[key].add((caller, waiter.index))
        for key, waiters in told.items():
            assert waiters == set(self.held[key].waiters), "who joined shares the answer"
            self._release(now, key)

    def noticed(self, notices: list[Told]) -> None:
        """Check that each is told once that a campaign does not flow, and once that it does again."""
        for source, campaign_id, notice in notices:
            caller: Caller = source.owner
            assert not caller.gone
            resumed = notice.kind is NoticeKind.CAMPAIGN_RESUMED
            knowing = self.knowing[campaign_id]
            if resumed:
                steered = campaign_id in self.steered
                assert steered or campaign_id not in self.holds, "told that a held campaign flows"
                assert knowing.pop(caller, None) is not None, "what has resumed for one who knew of nothing"
                continue
            before = knowing.get(caller)
            assert before != notice.kind, "a notice twice"
            steered = campaign_id in self.steered or NoticeKind.CAMPAIGN_HELD in {before, notice.kind}
            assert before is None or steered, "another reason, though nobody did anything"
            knowing[caller] = notice.kind

    # --- how ---------------------------------------------------------------------------------------

    def _check_join(self, held: Held, request: DialRequest, answer: Answer | None) -> None:
        if request.same_dial(held.request):
            assert answer is None, "the same token in flight: it joins"
        else:
            assert answer is not None
            assert answer.reason is Reason.TOKEN_CONFLICT

    def _check_memory(self, now: float, key: Key, request: DialRequest, answer: Answer | None) -> None:
        if self._is_known(now, key):
            _, before, id_ = self.known[key]
            assert answer is not None, "accepted before, and taken in again"
            if request.same_dial(before):
                assert (answer.outcome, answer.replayed) == (Outcome.ACCEPTED, True)
                assert answer.dial_request_id == id_
            else:
                assert answer.reason is Reason.TOKEN_CONFLICT
        elif answer is not None and answer.replayed:
            assert answer.dial_request_id in self.connect.ids[key]
        elif now - self.touched.get(key, now) >= self.limits.replay_window_s:
            self.connect.journal.pop(key, None)  # too long ago: the gateway may know nothing of it

    def _is_known(self, now: float, key: Key) -> bool:
        return key in self.known and now - self.known[key][0] < self.limits.replay_window_s

    def _check_truth(
        self, now: float, key: Key, request: DialRequest, answer: Answer, *, at_once: bool
    ) -> None:
        held = self.held.get(key)
        if answer.outcome is Outcome.ACCEPTED:
            assert self.connect.journal.get(key) == answer.dial_request_id, "Connect does not have it"
            return
        in_call = held is not None and held.in_call
        in_doubt = request.in_doubt or (held is not None and held.in_doubt)
        if answer.outcome is Outcome.UNKNOWN:
            assert key in self.doubt or in_call or in_doubt, "Connect cannot have it"
            return
        assert not in_doubt, "denied, though it was in doubt"
        assert not in_call, "Connect may get it"
        assert key not in self.connect.journal, f"Connect has it, and the answer is {answer.outcome.name}"
        self.denied.add(key)
        if answer.outcome is Outcome.EXPIRED and answer.reason is not Reason.WOULD_EXPIRE:
            headroom_s = self.limits.expiry_headroom_s + SEND_MARGIN_S
            assert request.expires_at - headroom_s <= now + EXACT_S, "expired before its time"
            assert at_once or (answer.reason is Reason.HELD) == (key[0] in self.holds)
        elif answer.reason is Reason.WOULD_EXPIRE:
            assert at_once
            assert self.limits.forecast
        elif answer.reason is Reason.INVALID_INPUT:
            assert request.client_token.startswith((POISON, INVALID)), "refused for its neighbour's fault"
        elif answer.reason is Reason.DRAINING:
            assert self.draining
        elif answer.outcome is Outcome.NOT_ACCEPTED and answer.reason is Reason.HELD:
            assert self.holds.get(key[0]), "answered HELD, and no hold says so"
        elif answer.reason is Reason.PURGED:
            assert key[0] == self.purging

    def _check_condition(self, now: float, batch: Batch) -> None:
        campaign_id, size = batch.campaign_id, len(batch.entries)
        if campaign_id in self.cooling:
            assert now >= self.cooling[campaign_id] - EXACT_S, "called while it must cool down"
            assert size == 1, "not a small probe"
            del self.cooling[campaign_id]
        if self.may_look:
            assert campaign_id not in self.parked or not self.fresh[campaign_id], "called though parked"
        self.parked.discard(campaign_id)

    def _weigh_condition(self, now: float, batch: Batch, report: CallReport) -> None:
        campaign_id = batch.campaign_id
        if isinstance(report.failure, CampaignNotRunning) and report.failure.state in RESTING_STATES:
            self.parked.add(campaign_id)
            self.cooling.pop(campaign_id, None)
            self.disturbed[campaign_id] = now
        elif ItemFailure.CAPACITY in report.failed.values():
            if campaign_id not in self.disturbed:
                self.cooling[campaign_id] = now + SURE_PAUSE_S
            self.disturbed[campaign_id] = now
        elif report.failure is not None:
            self.disturbed[campaign_id] = now
            if refusal_of(report.failure) is not None:
                self.parked.discard(campaign_id)
                self.cooling.pop(campaign_id, None)
                self.knowing.pop(campaign_id, None)  # answers say that it has ended
        elif len(batch.entries) == BATCH_LIMIT and batch.formed_at > self.disturbed.get(campaign_id, now):
            del self.disturbed[campaign_id]

    def _check_turns(self, now: float, batch: Batch) -> None:
        """Check that callers under backlog take turns, and so do the campaigns of one that is alone."""
        if not self.single_priority:
            return
        self._check_turns_of_services(now, batch)
        self.passed.pop(batch.campaign_id, None)
        for other, waiting in self.fresh.items():
            alone = len(self.services) == 1
            if not alone or not self._must_flow(now, other) or len(waiting) < BATCH_LIMIT:
                self.passed.pop(other, None)
            elif other != batch.campaign_id:
                self.passed[other][batch.campaign_id] += 1
                assert self.passed[other][batch.campaign_id] <= 2, "a campaign under backlog is passed over"

    def _check_turns_of_services(self, now: float, batch: Batch) -> None:
        """Check that a service with a full call of its own waits for a turn of each other one at most.

        One with many campaigns may have its full call behind others that wait to become fuller.
        """
        of_call = {waiter.source.caller for entry in batch.entries for waiter in entry.waiters}
        campaigns: Counter[str] = Counter()
        full: set[str] = set()
        for campaign_id, waiting in self.fresh.items():
            own = Counter(held.waiters[0][0].service for held in waiting.values() if held.waiters)
            campaigns.update(own.keys())
            if self._must_flow(now, campaign_id):
                full |= {service for service, count in own.items() if count >= BATCH_LIMIT}
        for service in self.services:
            if service in of_call or service not in full or campaigns[service] >= LOOK_AHEAD:
                self.passed_services.pop(service, None)
            elif not self.in_doubt(now, batch.campaign_id):
                self.passed_services[service] += 1
                assert self.passed_services[service] <= len(self.services), "a caller is passed over"

    def _must_flow(self, now: float, campaign_id: str) -> bool:
        disturbed = campaign_id in self.disturbed or campaign_id in self.holds
        return not disturbed and not self.in_doubt(now, campaign_id)

    def _release(self, now: float, key: Key) -> None:
        held = self.held.pop(key)
        self.fresh[key[0]].pop(key, None)
        if not self.fresh[key[0]]:
            self.parked.discard(key[0])  # nothing surely waits: the engine may forget it
        if not held.fresh:
            self.touched[key] = now  # what no call has carried is not remembered anew
        assert not held.in_call or self.draining
