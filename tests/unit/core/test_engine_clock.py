"""When the wall clock is set, requests that have expired by the new time are not sent."""

import time

import pytest

from gateway.core.errors import ConnectFailed
from gateway.core.model import Outcome, Reason
from gateway.core.slices import SLICE
from tests.unit.core.making import NOW, Bench, Caller, dial, many, tokens_of

HEADROOM_S = 5.0


def test_setting_the_clock_forward_expires_requests() -> None:
    """Requests expired by the new time are answered at once, in slices, and none of them is sent."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    for token in many(5000):
        bench.send(NOW, caller, dial(token, expires_at=NOW + 500.0))
    bench.send(NOW, caller, dial("later", expires_at=NOW + 1200.0))
    bench.complete(NOW, bench.call(NOW))
    bench.engine.wall_clock_gained(600.0)
    sent = []
    now = NOW + 0.001
    for _ in range(5000 // SLICE + 4):
        decision = bench.poll(now)
        sent += [token for batch in decision.batches for token in tokens_of(batch)]
        now = NOW + 2.0 if not bench.settled else now
    assert sent == ["later"]
    told = [answer for answer in caller.answers.values() if answer.outcome is Outcome.EXPIRED]
    assert len(told) == 5000 - 25
    assert {answer.reason for answer in told} == {Reason.EXPIRATION_PASSED}


def test_setting_the_clock_back_keeps_requests_longer() -> None:
    """Requests with more time by the new clock are kept for that long and then expire."""
    bench, caller = Bench(call_rate=0.001, call_burst=1.0, forecast=False), Caller()
    bench.send_all(NOW, caller, *many(25, "first"))
    bench.complete(NOW, bench.call(NOW))
    bench.send(NOW, caller, dial("a", expires_at=NOW + 20.0))
    bench.engine.wall_clock_gained(-600.0)
    bench.poll(NOW + 30.0)
    assert bench.settled == []
    wake_at = bench.poll(NOW + 30.0).wake_at
    assert wake_at is not None
    assert wake_at <= NOW + 620.0 - HEADROOM_S
    bench.poll(NOW + 620.0 - HEADROOM_S - 1.0)
    assert 25 not in caller.answers
    bench.poll(NOW + 620.0 - HEADROOM_S)
    assert caller.answers[25].outcome is Outcome.EXPIRED


def test_requests_that_come_after_the_step() -> None:
    """Later requests are judged by the new time and sorted among the expiries."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    bench.engine.wall_clock_gained(600.0)
    past = bench.send(NOW, caller, dial("past", expires_at=NOW + 599.0))
    assert past is not None
    assert past.reason is Reason.INVALID_REQUEST
    near = bench.send(NOW, caller, dial("near", expires_at=NOW + 603.0))
    assert near is not None
    assert near.outcome is Outcome.EXPIRED
    for token, life_s in (("c", 1300.0), ("a", 1100.0), ("b", 1200.0)):
        assert bench.send(NOW, caller, dial(token, expires_at=NOW + life_s)) is None
    assert tokens_of(bench.call(NOW + 1.0)) == ["a", "b", "c"]


@pytest.mark.parametrize("delay_s", [0.0, 0.01])
def test_what_comes_back_from_a_call_after_the_step(delay_s: float) -> None:
    """A request that returns from a call after its expiry by the new clock is not sent again."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 60.0))
    now, batch = bench.next_call(NOW)
    if not delay_s:
        bench.engine.wall_clock_gained(600.0)
    bench.complete(now, batch, failure=ConnectFailed(), counted_attempts=1)
    bench.engine.wall_clock_gained(600.0)
    for second in range(60):
        assert bench.poll(now + delay_s + second).batches == []
    assert caller.answers[0].outcome is Outcome.EXPIRED


def test_a_retry_after_the_step() -> None:
    """A call that has expired by the new clock gets no further attempt."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 60.0))
    now, batch = bench.next_call(NOW)
    bench.engine.ask_retry(batch)
    bench.engine.wall_clock_gained(600.0)
    decision = bench.poll(now)
    assert (decision.granted, decision.denied) == ([], [batch.number])


def test_a_step_costs_nothing() -> None:
    """Setting the clock costs the same with many queued requests as with none."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0, forecast=False), Caller()
    for token in many(20_000):
        bench.send(NOW, caller, dial(token))
    begun = time.process_time()
    for step in range(1000):
        bench.engine.wall_clock_gained(float(step % 2))
    assert time.process_time() - begun < 0.5
