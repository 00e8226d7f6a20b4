"""What the trails record, and what is allowed while one of them cannot be written."""

from collections.abc import Sequence

import pytest

from gateway.compliance.number_hash import NumberHash
from gateway.control.guard_trail import BLOCKED_RETRY_S, GuardTrail
from gateway.core.compliance.records import GuardDecision
from gateway.core.model import Outcome, Reason, RetryAdvice
from gateway.trail.lines import Line, Lines
from gateway.trail.writer import Trail
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import NOW, Bench, Caller, dial, tokens_of
from tests.unit.trail.records import KEY, NOON, record


class Kept:
    """A sink that keeps the lines."""

    def __init__(self) -> None:
        self.damages = self.lost = 0
        self.lines: list[Line] = []

    def renew(self, now: float) -> bool:
        """There is one file."""
        return False

    def write(self, lines: Sequence[Line]) -> None:
        """Keep them."""
        self.lines += lines

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def trails(sink: Kept, *, required: bool = True) -> GuardTrail:
    """Return one trail with room for two records, which is not started yet."""
    trail = Trail("test", sink, Lines("g", KEY, NumberHash(KEY).of), lambda: NOON, records=2)
    return GuardTrail({"file": trail}, required=required)


def test_a_request_that_waits_is_not_recorded() -> None:
    """Only the final decision about a request is recorded."""
    sink = Kept()
    trail = trails(sink)
    trail.put(NOON, [record(decision=GuardDecision.WAITS), record(token="t-2")])
    trail.start()
    assert trail.close(10.0)
    assert [fields.get("token") for fields, _ in sink.lines] == [None, "t-2", None]


def test_what_waits_for_a_call_is_not_sent_once_a_required_trail_is_blocked() -> None:
    """A request that was allowed before the trail was blocked waits, and is sent when it is written again."""
    trail = trails(Kept())
    bench, caller = Bench(trail.guarded(HoursGuard()), linger_s=0.0), Caller()
    assert bench.send(NOW, caller, dial("long")) is None
    trail.put(NOON, [record(), record()])
    assert not bench.poll(NOW).batches
    trail.start()
    trail.put(NOON, bench.engine.guarding.take_records())
    assert trail.close(10.0)
    assert tokens_of(bench.call(NOW + BLOCKED_RETRY_S + 0.01)) == ["long"]


def test_nothing_is_sent_while_a_required_trail_is_blocked() -> None:
    """A request waits, or is answered that it may come again; both are no records. Then it is sent."""
    sink = Kept()
    trail = trails(sink)
    bench, caller = Bench(trail.guarded(HoursGuard()), linger_s=0.0), Caller()
    trail.put(NOON, [record(), record()])
    answer = bench.send(NOW, caller, dial("short", expires_at=NOW + 8.0))
    assert answer is not None
    assert (answer.outcome, answer.reason) == (Outcome.NOT_ACCEPTED, Reason.OVERLOADED)
    assert answer.advice is RetryAdvice.SAME_TOKEN
    assert answer.retry_after_s == pytest.approx(BLOCKED_RETRY_S, abs=0.01)
    assert bench.send(NOW, caller, dial("long")) is None
    assert not bench.poll(NOW).batches
    trail.start()
    trail.put(NOON, bench.engine.guarding.take_records())
    assert trail.close(10.0)
    assert trail.figures()["file"].lost == 0
    assert tokens_of(bench.call(NOW + BLOCKED_RETRY_S + 0.01)) == ["long"]


def test_a_trail_that_is_not_required_stops_nothing() -> None:
    """The guard decides alone."""
    guard = HoursGuard()
    assert trails(Kept(), required=False).guarded(guard) is guard
    assert GuardTrail({}, required=True).guarded(guard) is guard
