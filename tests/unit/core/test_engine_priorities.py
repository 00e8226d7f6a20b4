"""Priorities: a lower one that waits gets a call after so many, and only calls count."""

from gateway.core.model import BATCH_BYTES, Batch, Priority, Source
from gateway.core.scheduling.queues import PASSED_OVER_LIMIT
from tests.unit.core.making import NOW, Bench, Caller, dial, many

CALL = 25


def caller_of(name: str) -> Caller:
    """Make a source of a named caller."""
    return Caller(Source(caller=name))


def next_call(bench: Bench) -> Batch:
    """Poll until a call leaves, since small slices of work take polls of their own; accept its requests."""
    while not (batches := bench.poll(NOW).batches):
        assert bench.engine.unfinished
    bench.complete(NOW, batches[0])
    return batches[0]


def priorities_of(batch: Batch) -> set[Priority]:
    """Return the priorities of a call's requests."""
    return {entry.priority for entry in batch.entries}


def bench_of_one_call() -> Bench:
    """Make a bench without a call rate and with the smallest slices, one call at a time."""
    return Bench(call_rate=0.0, linger_s=0.0, concurrent_calls=1, slice_units=1)


def test_requests_whose_caller_left_do_not_use_the_call_of_their_priority() -> None:
    """The call that BULK is due carries other BULK requests if the first ones have lost their caller."""
    bench, gone, other, high = bench_of_one_call(), caller_of("a"), caller_of("b"), caller_of("c")
    bench.send_all(NOW, gone, *many(60, "gone"), priority=Priority.BULK)
    bench.send_all(NOW, other, *many(5, "bulk"), priority=Priority.BULK)
    bench.send_all(NOW, high, *many((PASSED_OVER_LIMIT + 2) * CALL, "high"), priority=Priority.HIGH)
    for _ in range(PASSED_OVER_LIMIT):
        assert priorities_of(next_call(bench)) == {Priority.HIGH}
    bench.engine.source_gone(NOW, gone.source)
    assert priorities_of(next_call(bench)) == {Priority.HIGH, Priority.BULK}
    assert len(other.answers) == 5


def test_a_campaign_whose_caller_left_does_not_use_the_turn_of_its_priority() -> None:
    """The turn that BULK is due goes to another BULK campaign if nobody waits for the first one any more."""
    bench, gone, other, high = bench_of_one_call(), caller_of("a"), caller_of("b"), caller_of("c")
    bench.send_all(NOW, gone, *many(60), campaign="gone", priority=Priority.BULK)
    bench.send_all(NOW, other, *many(30), campaign="bulk", priority=Priority.BULK)
    bench.send_all(NOW, high, *many((PASSED_OVER_LIMIT + 2) * CALL), campaign="high", priority=Priority.HIGH)
    for _ in range(PASSED_OVER_LIMIT):
        assert next_call(bench).campaign_id == "high"
    bench.engine.source_gone(NOW, gone.source)
    assert next_call(bench).campaign_id == "bulk"


def test_requests_that_do_not_fit_into_a_call_have_been_passed_over() -> None:
    """BULK that is taken for calls with large HIGH requests, and does not fit, still gets its call."""
    bench, caller = bench_of_one_call(), Caller()
    bench.send_all(NOW, caller, "bulk", priority=Priority.BULK)
    for call in range(PASSED_OVER_LIMIT + 1):
        assert 0 not in caller.answers
        for number in range(CALL - 5 if call else CALL - 1):
            large = dial(f"high-{call}-{number}", size=BATCH_BYTES // (CALL - 5))
            assert bench.send(NOW, caller, large, Priority.HIGH) is None
        next_call(bench)
    assert 0 in caller.answers
