"""The core as a whole: from the dial requests that go in to the calls and answers that come out."""

import pytest

from gateway.core.errors import (
    AccessDenied,
    AnswerLost,
    CallFailure,
    CallInvalid,
    CampaignNotFound,
    CampaignNotRunning,
    ConnectUnreachable,
    RateThrottled,
)
from gateway.core.model import FlushReason, ItemFailure, Outcome, Reason, RetryAdvice, Waiter
from gateway.core.scheduling.expiry import SEND_MARGIN_S
from gateway.core.scheduling.linger import SHORT_LINGER
from gateway.core.scheduling.pacing import FIRST_PAUSE_S
from gateway.core.tokens.outstanding import CAMPAIGN_BYTES, ENTRY_BYTES, QUEUE_BYTES
from tests.unit.core.making import NOW, Bench, Caller, assert_idle, dial, many, tokens_of

LINGER_S = 0.05
HEADROOM_S = 5.0 + SEND_MARGIN_S


def test_one_request_from_end_to_end() -> None:
    """A lone request leaves after the linger, and its answer has Connect's id and the call's trace."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    decision = bench.poll(NOW)
    assert decision.batches == []
    assert decision.wake_at == NOW + LINGER_S * SHORT_LINGER
    batch = bench.call(NOW + LINGER_S * SHORT_LINGER)
    assert (tokens_of(batch), batch.campaign_id, batch.flush) == (["a"], "campaign", FlushReason.LINGER)
    bench.complete(NOW + 0.1, batch, accepted={"a": "id-a"}, trace_id="trace")
    answer = caller.answers[0]
    assert (answer.outcome, answer.dial_request_id, answer.trace_id) == (Outcome.ACCEPTED, "id-a", "trace")
    assert (answer.attempts, answer.replayed) == (1, False)
    assert_idle(bench, NOW + 0.1)


def test_invalid_request_is_answered_at_once() -> None:
    """A bad request is REJECTED with its problem, takes no room, and harms no other."""
    bench, caller = Bench(), Caller()
    answer = bench.send(NOW, caller, dial("no token"))
    assert answer is not None
    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, Reason.INVALID_REQUEST)
    assert answer.detail.startswith("client_token: ")
    assert bench.engine.outstanding == 0
    bench.send_all(NOW, caller, "good")
    assert bench.engine.outstanding == 1


def test_full_calls_under_backlog() -> None:
    """Under backlog every call is full, has one campaign, and no token is sent twice."""
    bench, caller = Bench(call_rate=0.0, concurrent_calls=100), Caller()
    for campaign in ("a", "b"):
        bench.send_all(NOW, caller, *many(100), campaign=campaign)
    batches = bench.poll(NOW).batches
    assert [len(batch.entries) for batch in batches] == [25] * 8
    sent = {(batch.campaign_id, token) for batch in batches for token in tokens_of(batch)}
    assert len(sent) == 200


def test_half_close_ends_the_linger() -> None:
    """When the only caller has half-closed, its requests leave at once."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    bench.engine.source_closed(NOW, caller.source)
    assert bench.call(NOW).flush is FlushReason.CLOSED


# --- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spare_s", "taken"), [(-0.001, False), (0.0, False), (0.001, True)])
def test_expiry_exactly_at_the_headroom(spare_s: float, taken: bool) -> None:
    """A request exactly one headroom before its expiration is EXPIRED; one a little earlier is taken."""
    bench, caller = Bench(), Caller()
    answer = bench.send(NOW, caller, dial(expires_at=NOW + HEADROOM_S + spare_s))
    assert (answer is None) is taken
    assert answer is None or answer.outcome is Outcome.EXPIRED


def test_a_waiting_request_has_no_instant_of_its_own() -> None:
    """With another number for each request, 200,000 with different expirations would take 6 MB more."""
    bench, caller = Bench(), Caller()
    request = dial(expires_at=NOW + 100.0 + HEADROOM_S)
    bench.send(NOW, caller, request)
    (entry,) = caller.source.pending.values()
    assert entry.expires_at is request.expiration


def test_a_waiting_request_expires_at_the_headroom() -> None:
    """A request that waits too long is EXPIRED at the instant that poll named, and is not sent."""
    bench, caller = Bench(linger_s=60.0), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 10.0))
    due = bench.poll(NOW).wake_at
    assert due == pytest.approx(NOW + 10.0 - HEADROOM_S)
    assert due is not None
    assert bench.poll(due).batches == []
    answer = caller.answers[0]
    assert (answer.outcome, answer.reason) == (Outcome.EXPIRED, Reason.EXPIRATION_PASSED)


def test_call_has_the_earliest_expiry_of_its_items() -> None:
    """A call is not tried again once its first item has expired."""
    bench, caller = Bench(), Caller()
    for token, life_s in (("a", 60.0), ("b", 20.0), ("c", 40.0)):
        bench.send(NOW, caller, dial(token, expires_at=NOW + life_s))
    batch = bench.call(NOW + LINGER_S)
    assert batch.give_up_at == pytest.approx(NOW + 20.0 - HEADROOM_S)
    assert tokens_of(batch) == ["b", "c", "a"]


def test_a_request_that_expires_in_a_failing_call_is_not_sent_again() -> None:
    """A request that expires during a failed call is answered when the call ends."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial("token", expires_at=NOW + 10.0))
    bench.complete(NOW + 6.0, bench.call(NOW + LINGER_S), failure=RateThrottled(), counted_attempts=0)
    assert (caller.answers[0].outcome, caller.answers[0].reason) == (Outcome.EXPIRED, Reason.THROTTLED)


# --- permits -----------------------------------------------------------------------------------------


def test_calls_within_rate_and_burst() -> None:
    """30 seconds of backlog use the whole rate in full calls, and no window has more."""
    bench, caller = Bench(queue_limit=10**9), Caller()
    bench.send_all(NOW, caller, *many(25 * 320))
    now, level, before, calls = NOW, 10.0, NOW, 0
    while now < NOW + 30.0:
        decision = bench.poll(now)
        for batch in decision.batches:
            assert len(batch.entries) == 25
            level, before = min(10.0, level + (now - before) * 10.0) - 1.0, now
            assert level > -1e-3
            calls += 1
            bench.complete(now, batch)
        again_at = decision.wake_at if len(decision.batches) < 8 else now
        assert again_at is not None
        now = again_at
    assert 300 <= calls <= 310


def test_no_more_calls_are_in_flight_than_the_setting() -> None:
    """The next call leaves when one has ended."""
    bench, caller = Bench(concurrent_calls=2), Caller()
    bench.send_all(NOW, caller, *many(75))
    batches = bench.poll(NOW).batches
    assert len(batches) == bench.engine.calls_in_flight == 2
    decision = bench.poll(NOW + 1.0)
    assert decision.batches == []
    assert decision.wake_at == pytest.approx(NOW + 600.0 - HEADROOM_S)
    bench.complete(NOW + 1.0, batches[0])
    assert len(bench.poll(NOW + 1.0).batches) == 1


def test_retry_takes_a_permit_and_goes_first() -> None:
    """A further attempt of a call takes a permit before any new call."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    bench.send_all(NOW, caller, *many(50))
    batch = bench.call(NOW)
    bench.engine.ask_retry(batch)
    decision = bench.poll(NOW + 0.5)
    assert (decision.granted, decision.batches) == ([], [])
    assert decision.wake_at == pytest.approx(NOW + 1.0)
    decision = bench.poll(NOW + 1.0)
    assert (decision.granted, decision.batches) == ([batch.number], [])
    decision = bench.poll(NOW + 2.0)
    assert (decision.granted, len(decision.batches)) == ([], 1)


def test_retry_that_is_forgotten_takes_no_permit() -> None:
    """A permit that nobody waits for goes to a new call."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    bench.send_all(NOW, caller, *many(50))
    batch = bench.call(NOW)
    bench.engine.ask_retry(batch)
    bench.engine.forget_retry(batch)
    bench.engine.forget_retry(batch)
    decision = bench.poll(NOW + 1.0)
    assert (decision.granted, len(decision.batches)) == ([], 1)


def test_a_lone_throttle_costs_one_pause() -> None:
    """After a lone throttle the items are sent again together, and it counts as no attempt."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    bench.complete(NOW + 0.1, batch, failure=RateThrottled(), counted_attempts=0, started_at=NOW)
    assert bench.engine.call_rate == 10.0
    left_at, again = bench.next_call(NOW + 0.1)
    assert left_at - NOW == pytest.approx(0.1 + 2 / 10.0, abs=0.001)
    assert tokens_of(again) == tokens_of(batch)
    assert again.attempts_left == batch.attempts_left == 5


def test_a_second_throttle_cuts_the_rate() -> None:
    """A second throttle within the quiet time cuts the rate."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    bench.complete(NOW + 0.1, bench.call(NOW), failure=RateThrottled(), counted_attempts=0, started_at=NOW)
    left_at, again = bench.next_call(NOW + 0.1)
    bench.complete(left_at + 0.1, again, failure=RateThrottled(), counted_attempts=0, started_at=left_at)
    assert bench.engine.call_rate == pytest.approx(7.0)


def test_items_throttled_for_rate_slow_all_calls() -> None:
    """Items that Connect throttles for their rate slow all calls, not only those of their campaign."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    for seconds in (0.1, 0.2):
        failed = dict.fromkeys(tokens_of(batch), ItemFailure.RATE)
        bench.complete(NOW + seconds, batch, failed=failed, started_at=NOW + seconds)
        _, batch = bench.next_call(NOW + seconds)
        assert len(batch.entries) == 25
    assert 7.0 <= bench.engine.call_rate < 7.5
    assert caller.told == []


@pytest.mark.parametrize("answer", [CampaignNotFound(), CampaignNotRunning("Paused"), CallInvalid()])
def test_pauses_are_short_again_after_any_answer_within_the_quota(answer: CallFailure) -> None:
    """Without a rate of its own, a throttle costs a short pause after a call that Connect refused."""
    bench, caller, now = Bench(call_rate=0.0, linger_s=0.0, concurrent_calls=1), Caller(), NOW
    bench.send_all(NOW, caller, *many(60))
    for _ in range(4):
        now, batch = bench.next_call(now)
        bench.complete(now, batch, failure=RateThrottled(), started_at=now)
    now, batch = bench.next_call(now)
    bench.complete(now, batch, failure=answer, started_at=now)
    bench.send_all(now, caller, "another", campaign="another")
    now, batch = bench.next_call(now)
    bench.complete(now, batch, failure=RateThrottled(), started_at=now)
    assert bench.poll(now).batches == []
    paused_until, _ = bench.next_call(now)
    assert paused_until == pytest.approx(now + FIRST_PAUSE_S)


# --- what comes back ---------------------------------------------------------------------------------


def test_items_settle_one_by_one() -> None:
    """Each item of a call gets Connect's answer for it, in any order; the rest is queued again."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "b", "c")
    batch = bench.call(NOW + LINGER_S)
    failed = {"c": ItemFailure.INVALID_INPUT, "b": ItemFailure.UNKNOWN_ERROR}
    bench.complete(NOW + 0.1, batch, accepted={"a": "id"}, failed=failed)
    assert {index: answer.outcome for index, answer in caller.answers.items()} == {
        0: Outcome.ACCEPTED,
        2: Outcome.REJECTED,
    }
    _, again = bench.next_call(NOW + 0.1)
    assert tokens_of(again) == ["b"]
    assert again.attempts_left == 4


def test_failed_items_pause_before_their_next_call() -> None:
    """Items that failed wait for their pauses, also if they would fill a call at once."""
    bench, caller = Bench(call_rate=0.0), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    bench.complete(NOW, batch, failed=dict.fromkeys(tokens_of(batch), ItemFailure.UNKNOWN_ERROR))
    assert bench.poll(NOW).batches == []
    again_at, _ = bench.next_call(NOW)
    assert again_at > NOW


def test_attempts_left_are_those_of_the_most_tried() -> None:
    """A call has as many attempts left as its most attempted item."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    failure = ConnectUnreachable()
    bench.complete(NOW + 1.0, bench.call(NOW + 1.0), failure=failure, attempts=3, counted_attempts=3)
    bench.poll(NOW + 10.0)
    bench.send_all(NOW + 10.0, caller, "b")
    batch = bench.call(NOW + 11.0)
    assert sorted(tokens_of(batch)) == ["a", "b"]
    assert batch.attempts_left == 2


@pytest.mark.parametrize("failure", [CampaignNotFound(), CampaignNotRunning("Stopped")])
def test_a_campaign_that_is_gone_settles_its_requests(failure: CampaignNotFound | CampaignNotRunning) -> None:
    """Waiting requests of the campaign and new ones soon after are rejected, and no others."""
    bench, caller = Bench(concurrent_calls=1), Caller()
    bench.send_all(NOW, caller, *many(30))
    bench.send_all(NOW, caller, "x", campaign="other")
    bench.complete(NOW + 0.1, bench.call(NOW), failure=failure)
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.REJECTED}
    assert len(caller.answers) == 30
    answer = bench.send(NOW + 5.09, caller, dial("late"))
    assert answer is not None
    assert (answer.outcome, answer.advice) == (Outcome.REJECTED, RetryAdvice.NEVER)
    assert bench.send(NOW + 5.1, caller, dial("later")) is None
    assert bench.engine.outstanding == 2


def test_denied_access_answers_only_what_waits() -> None:
    """Without access, waiting requests are NOT_ACCEPTED; later ones are tried again."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(30))
    bench.complete(NOW + 0.1, bench.call(NOW), failure=AccessDenied())
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.NOT_ACCEPTED}
    assert len(caller.answers) == 30
    assert bench.send(NOW + 0.1, caller, dial("late")) is None


def test_refused_campaign_lets_calls_in_flight_end() -> None:
    """Requests in another call to a refused campaign are answered when that call ends."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(50))
    first, second = bench.poll(NOW).batches
    bench.complete(NOW + 0.1, first, failure=CampaignNotFound())
    assert len(caller.answers) == 25
    bench.complete(NOW + 0.2, second)
    assert [answer.outcome for answer in caller.answers.values()].count(Outcome.ACCEPTED) == 25


def test_refused_campaign_after_doubt() -> None:
    """A request that an earlier attempt of the refused call may have placed is UNKNOWN, not REJECTED."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(NOW + LINGER_S)
    bench.complete(NOW + 1.0, batch, failure=CampaignNotFound(), attempts=2, uncertain=True)
    answer = caller.answers[0]
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, Reason.CAMPAIGN_NOT_FOUND)
    assert answer.attempts == 2


def test_refusals_end_in_time_each() -> None:
    """Each refusal ends after its own time, even if an older one was renewed in between."""
    bench, caller = Bench(), Caller()
    for campaign in ("a", "a", "b"):
        bench.send_all(NOW, caller, *many(25, f"{caller.sent}-"), campaign=campaign)
    first, other, second = bench.poll(NOW).batches
    assert [first.campaign_id, other.campaign_id, second.campaign_id] == ["a", "b", "a"]
    bench.complete(NOW, first, failure=CampaignNotFound())
    bench.complete(NOW + 1.0, other, failure=CampaignNotFound())
    bench.complete(NOW + 4.0, second, failure=CampaignNotFound())
    assert bench.send(NOW + 6.5, caller, dial("again", "b")) is None


# --- room --------------------------------------------------------------------------------------------


def test_each_outstanding_request_takes_one_place() -> None:
    """A request takes a place until it is answered, also if it joined another one."""
    bench, caller, other = Bench(queue_limit=10), Caller(), Caller()
    bench.send_all(NOW, caller, *many(9))
    assert bench.engine.room() == 1
    bench.send_all(NOW, other, "t0")
    assert bench.engine.room() == 0
    bench.complete(NOW + 1.0, bench.call(NOW + 1.0))
    assert bench.engine.room() == 10


def test_outstanding_bytes_limit_the_room() -> None:
    """At the limit of bytes there is no room; an answered request gives its bytes back."""
    bench, caller = Bench(queue_bytes=1_000 + 2 * ENTRY_BYTES + CAMPAIGN_BYTES + QUEUE_BYTES), Caller()
    bench.send(NOW, caller, dial("a", size=999))
    assert bench.engine.room() > 0
    bench.send(NOW, caller, dial("b", size=1))
    assert bench.engine.room() == 0
    assert bench.engine.outstanding_bytes == 1_000 + 2 * ENTRY_BYTES + CAMPAIGN_BYTES + QUEUE_BYTES
    bench.complete(NOW + 1.0, bench.call(NOW + 1.0))
    assert bench.engine.outstanding_bytes == bench.engine.outstanding == 0
    assert bench.engine.room() == 200_000


def test_memory_of_tokens_is_counted() -> None:
    """The number of remembered tokens is known."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(3))
    bench.complete(
        NOW + 1.0, bench.call(NOW + 1.0), accepted={"t0": "id"}, failure=AnswerLost(), uncertain=True
    )
    assert bench.engine.remembered == 1


def test_answers_leave_once_and_are_counted() -> None:
    """`take_answers` returns each answer once, whatever decided it, and counts it."""
    bench, caller = Bench(call_rate=0.0), Caller()
    engine = bench.engine
    bench.send_all(NOW, caller, "accepted", "left")
    bench.poll(NOW + 1.0)
    engine.submit(NOW, [(Waiter(caller.source, 9), dial("invalid", phone="1"))])
    assert engine.statistics.totals[Outcome.REJECTED] == 0
    assert [settled.client_token for settled in engine.take_answers(NOW)] == ["invalid"]
    assert engine.statistics.totals[Outcome.REJECTED] == 1
    engine.abandon(NOW + 1.0)
    assert {settled.client_token for settled in engine.take_answers(NOW + 1.0)} == {"accepted", "left"}
    assert engine.statistics.totals[Outcome.UNKNOWN] == 2
    assert engine.take_answers(NOW + 1.0) == []
