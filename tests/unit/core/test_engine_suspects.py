"""When Connect refuses whole calls, the bad item is found in few calls, and no other item is refused."""

import random

import pytest

from gateway.core.channels import Sms, all_channels
from gateway.core.engine import Engine, Limits
from gateway.core.errors import CallInvalid, CampaignInvalid, ChannelNotCarried, RateThrottled
from gateway.core.model import Batch, FlushReason, ItemFailure, Outcome, Reason, RetryAdvice
from gateway.core.scheduling.queues import SUSPECT_BURST, SUSPECT_EVERY_S
from tests.unit.core.making import NOW, Bench, Caller, dial, ids_of, many, tokens_of


def answer(bench: Bench, now: float, batch: Batch, bad: set[str]) -> bool:
    """Refuse a call with a bad item, and accept any other; return whether it was refused."""
    refused = not bad.isdisjoint(tokens_of(batch))
    bench.complete(now, batch, **({"failure": CallInvalid()} if refused else {"accepted": ids_of(batch)}))
    return refused


def run(bench: Bench, now: float, until: float, bad: set[str]) -> list[tuple[float, Batch]]:
    """Answer every call until some instant; return the calls."""
    calls = []
    while now < until:
        decision = bench.poll(now)
        for batch in decision.batches:
            calls.append((now, batch))
            answer(bench, now, batch, bad)
        if decision.wake_at is None:
            break
        now = max(now, decision.wake_at) if not decision.batches else now
    return calls


def test_a_refused_call_is_split_into_halves() -> None:
    """When Connect refuses a call, its items travel in halves until the bad one is found."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "bad", "c")
    answer(bench, NOW + 0.1, bench.call(NOW + 0.05), {"bad"})
    halves = bench.poll(NOW + 0.1).batches
    assert [(tokens_of(batch), batch.flush) for batch in halves] == [
        (["a", "bad"], FlushReason.SUSPECT),
        (["c"], FlushReason.SUSPECT),
    ]
    for batch in halves:
        answer(bench, NOW + 0.2, batch, {"bad"})
    for batch in bench.poll(NOW + 0.2).batches:
        answer(bench, NOW + 0.3, batch, {"bad"})
    outcomes = [caller.answers[index].outcome for index in range(3)]
    assert outcomes == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    assert caller.answers[1].reason is Reason.INVALID_INPUT


def test_requests_that_the_api_of_their_campaign_cannot_carry_any_more() -> None:
    """If a campaign moves to V1 while requests with a channel wait, these are rejected; others go on."""
    bench, caller = Bench(), Caller()
    bench.engine = Engine(Limits(), random.Random(1), takes_channels=all_channels)
    for token, channel in (("a", None), ("sms", Sms()), ("b", None)):
        assert bench.send(NOW, caller, dial(token, channel=channel)) is None
    for now in (NOW + 0.1, NOW + 0.2, NOW + 0.3):
        for batch in bench.poll(now).batches:
            moved = "sms" in tokens_of(batch)
            report = {"failure": ChannelNotCarried()} if moved else {"accepted": ids_of(batch)}
            bench.complete(now, batch, **report)
    told = [(answer.outcome, answer.reason) for _, answer in sorted(caller.answers.items())]
    assert told[0] == told[2] == (Outcome.ACCEPTED, Reason.NONE)
    assert told[1] == (Outcome.REJECTED, Reason.INVALID_INPUT)
    assert "channel" in caller.answers[1].detail


@pytest.mark.parametrize("place", range(25))
def test_one_bad_item_costs_few_calls(place: int) -> None:
    """11 calls find the one bad item of a full call, and all others are ACCEPTED."""
    bench, caller = Bench(call_rate=0.0), Caller()
    bench.send_all(NOW, caller, *many(25))
    calls = run(bench, NOW, NOW + 60.0, {f"t{place}"})
    assert len(calls) <= 11
    outcomes = [caller.answers[index].outcome for index in range(25)]
    assert outcomes.pop(place) is Outcome.REJECTED
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert calls[-1][0] < NOW + 1.0


@pytest.mark.parametrize("bad", [{"t0", "t24"}, {"t3", "t4", "t5"}, {"t0", "t6", "t12", "t18", "t24"}])
def test_several_bad_items(bad: set[str]) -> None:
    """Each of several bad items is found, and no other is REJECTED."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    run(bench, NOW, NOW + 120.0, bad)
    rejected = {f"t{n}" for n, told in caller.answers.items() if told.outcome is Outcome.REJECTED}
    assert rejected == bad
    assert len(caller.answers) == 25


def test_all_bad_is_bounded() -> None:
    """If all items are bad, the search keeps its budget and other requests of the campaign go on."""
    bench, caller, other = Bench(), Caller(), Caller()
    tokens = many(25, "bad")
    bench.send_all(NOW, caller, *tokens)
    good = 0
    calls = run(bench, NOW, NOW + 0.001, set(tokens))
    for second in range(20):
        bench.send_all(NOW + second, other, *many(25, f"good{second}-"))
        calls += run(bench, NOW + second, NOW + second + 0.999, set(tokens))
        good += 25
        assert len(other.answers) >= good - 75  # the first calls of the search go before them
    suspects = [at for at, batch in calls if batch.flush is FlushReason.SUSPECT]
    for at in suspects:
        since = [instant for instant in suspects if at <= instant]
        assert len(since) <= SUSPECT_BURST + 1 + (since[-1] - at) / SUSPECT_EVERY_S + 1
    assert SUSPECT_BURST < len(suspects) <= SUSPECT_BURST + 1 + 20
    assert {told.outcome for told in other.answers.values()} == {Outcome.ACCEPTED}
    run(bench, NOW + 20.0, NOW + 120.0, set(tokens))
    assert [told.outcome for told in caller.answers.values()] == [Outcome.REJECTED] * 25


@pytest.mark.parametrize("item", [True, False])
def test_throttle_during_the_search(item: bool) -> None:
    """A throttle during the search keeps the suspects together and apart from others."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(4))
    bench.complete(NOW + 0.1, bench.call(NOW + 0.1), failure=CallInvalid())
    first, second = bench.poll(NOW + 0.1).batches
    bench.send_all(NOW + 0.1, caller, *many(25, "new"))
    failed = dict.fromkeys(tokens_of(first), ItemFailure.RATE)
    report = {"failed": failed} if item else {"failure": RateThrottled(), "counted_attempts": 0}
    bench.complete(NOW + 0.2, first, started_at=NOW + 0.1, **report)
    bench.complete(NOW + 0.2, second)
    sent = [batch for _, batch in run(bench, NOW + 0.2, NOW + 2.0, set())]
    assert tokens_of(first) in [tokens_of(batch) for batch in sent if batch.flush is FlushReason.SUSPECT]
    assert len(sent) == 2
    assert len(caller.answers) == 29


def test_suspects_whose_caller_leaves() -> None:
    """Suspects without a caller are dropped unsent."""
    bench, caller, other = Bench(call_rate=1.0, call_burst=1.0), Caller(), Caller()
    bench.send_all(NOW, caller, "a", "b")
    bench.send_all(NOW, other, "c")
    bench.complete(NOW + 0.1, bench.call(NOW + 0.1), failure=CallInvalid())
    assert bench.leave(NOW + 0.1, caller) == 2
    calls = run(bench, NOW + 0.2, NOW + 30.0, set())
    assert [tokens_of(batch) for _, batch in calls] == [["c"]]
    assert bench.engine.outstanding == 0


def test_a_call_that_is_refused_whatever_it_carries() -> None:
    """If Connect refuses every call of a campaign, the call is to blame and no item is REJECTED."""
    bench, caller, other = Bench(), Caller(), Caller()
    bench.send_all(NOW, caller, *many(500))
    bench.send_all(NOW, other, *many(25), campaign="other")
    calls = run(bench, NOW, NOW + 20.0, {f"t{number}" for number in range(25, 500)} | set(many(25)))
    told = {(answer.outcome, answer.reason, answer.advice) for answer in caller.answers.values()}
    assert told == {(Outcome.NOT_ACCEPTED, Reason.INVALID_INPUT, RetryAdvice.SAME_TOKEN)}
    assert len(caller.answers) == 500
    assert len([batch for _, batch in calls if batch.campaign_id == "campaign"]) <= 40
    now = max(at for at, batch in calls if batch.campaign_id == "campaign")
    answer = bench.send(now, caller, dial("next"))
    assert answer is not None
    assert "whichever requests" in answer.detail


def test_a_campaign_id_that_connect_refuses() -> None:
    """If Connect names the campaign's id as invalid, one call REJECTS all that wait for it."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(100))
    bench.complete(NOW, bench.poll(NOW).batches[0], failure=CampaignInvalid())
    told = [answer for answer in caller.answers.values() if answer.detail.startswith("campaign_id:")]
    assert len(told) >= 25
    assert {(answer.outcome, answer.reason) for answer in told} == {(Outcome.REJECTED, Reason.INVALID_INPUT)}


def test_a_suspect_that_runs_out_of_time() -> None:
    """A suspect that expires before its turn is told that Connect refused its calls."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    for token in many(8):
        bench.send(NOW, caller, dial(token, expires_at=NOW + 9.0))
    run(bench, NOW, NOW + 20.0, set(many(8)))
    late = [answer for answer in caller.answers.values() if answer.outcome is Outcome.EXPIRED]
    assert late
    assert {answer.reason for answer in late} == {Reason.INVALID_INPUT}
    assert all("refused" in answer.detail for answer in late)
