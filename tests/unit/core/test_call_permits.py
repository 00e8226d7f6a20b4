"""Every attempt takes a permit, and further attempts take a bounded share of them."""

from typing import Any

import pytest

from gateway.core.campaigns.holds import Hold
from gateway.core.errors import CallRevoked
from gateway.core.model import Batch
from gateway.core.scheduling.pacing import RETRY_CREDIT, RETRY_SHARE
from tests.unit.core.making import NOW, Bench, Caller, dial, many


def bench_with_call(now: float = NOW, expires_in_s: float = 600.0, **limits: Any) -> tuple[Bench, Batch]:
    """Make a bench with a call in flight."""
    bench, caller = Bench(**limits), Caller()
    for token in many(25):
        assert bench.send(now, caller, dial(token, expires_at=now + expires_in_s)) is None
    return bench, bench.call(now)


def granted(bench: Bench, now: float, batch: Batch) -> bool:
    """Ask for a further attempt; return whether it was granted, and check that it was decided."""
    bench.engine.ask_retry(batch)
    decision = bench.poll(now)
    assert decision.granted + decision.denied == [batch.number]
    return bool(decision.granted)


def test_a_further_attempt_waits_for_a_permit_and_takes_it() -> None:
    bench, batch = bench_with_call(call_rate=1.0, call_burst=1.0)
    bench.engine.ask_retry(batch)
    decision = bench.poll(NOW)
    assert (decision.granted, decision.denied) == ([], [])
    assert bench.poll(NOW + 1.0).granted == [batch.number]
    bench.engine.ask_retry(batch)
    assert bench.poll(NOW + 1.0).granted == []
    assert bench.poll(NOW + 2.0).granted == [batch.number]


def test_a_further_attempt_goes_before_a_new_call() -> None:
    bench, batch = bench_with_call(call_rate=1.0, call_burst=1.0)
    bench.send_all(NOW, Caller(), *many(25, "new"))
    bench.engine.ask_retry(batch)
    decision = bench.poll(NOW + 1.0)
    assert (decision.granted, decision.batches) == ([batch.number], [])


def test_no_further_attempt_is_made_once_time_is_up() -> None:
    bench, batch = bench_with_call(expires_in_s=20.0)
    assert granted(bench, batch.give_up_at - 0.001, batch)
    assert not granted(bench, batch.give_up_at, batch)


@pytest.mark.parametrize("held", [True, False])
def test_a_further_attempt_that_may_not_be_made_is_denied_without_a_permit(held: bool) -> None:
    """After a hold, or once it is revoked, a call ends at once, whatever else waits for permits."""
    bench, batch = bench_with_call(call_rate=1.0, call_burst=1.0)
    bench.engine.ask_retry(batch)
    if held:
        bench.engine.operator_actions.hold(NOW, "campaign", Hold("anna", "", NOW))
    else:
        bench.engine.revoke_calls("campaign")
    assert bench.poll(NOW).denied == [batch.number]


def test_first_attempts_earn_further_ones() -> None:
    """Beyond the credit, each call pays for its share of a further attempt."""
    bench, batch = bench_with_call(call_rate=0.0, concurrent_calls=1_000)
    assert [granted(bench, NOW, batch) for _ in range(int(RETRY_CREDIT))] == [True] * int(RETRY_CREDIT)
    assert not granted(bench, NOW, batch)
    for number in range(round(1 / RETRY_SHARE)):
        bench.send_all(NOW, Caller(), *many(25, f"t{number}-"))
        bench.call(NOW)
    assert granted(bench, NOW, batch)
    assert not granted(bench, NOW, batch)


def test_the_permit_of_a_call_that_never_left_is_there_again_and_no_other() -> None:
    bench, batch = bench_with_call(call_rate=1.0, call_burst=3.0)
    bench.send_all(NOW, Caller(), *many(100, "new"))
    assert len(bench.poll(NOW).batches) == 2
    bench.complete(NOW, batch, failure=CallRevoked(), attempts=0, counted_attempts=0, unused=1)
    assert len(bench.poll(NOW).batches) == 1
    assert bench.poll(NOW).batches == []
