"""Numbers that must be looked up, which takes long, are decided about a few at a time."""

from gateway.core.answers import PURGED
from gateway.core.compliance.guarding import LOOK_UP_UNITS
from gateway.core.compliance.port import LOOK_UPS_AT_ONCE
from gateway.core.compliance.records import GuardDecision
from gateway.core.model import Outcome, Reason, Waiter
from gateway.core.slices import SLICE
from tests.unit.core.compliance.guarded_bench import bench_with, records, waiting
from tests.unit.core.compliance.hours_guard import HoursGuard, opening_at
from tests.unit.core.making import NOW, Bench, Caller, assert_idle, dial, many, tokens_of

COUNT = 200
MAX_A_TURN = LOOK_UPS_AT_ONCE + SLICE // LOOK_UP_UNITS
"""Look-ups of one turn: of openings that have come, and of a slice."""


def submit(bench: Bench, caller: Caller, *tokens: str) -> None:
    """Submit a list of dial requests at once."""
    first, caller.sent = caller.sent, caller.sent + len(tokens)
    arrivals = [(Waiter(caller.source, index), dial(token)) for index, token in enumerate(tokens, first)]
    bench.engine.submit(NOW, arrivals)
    bench.take_answers(NOW)


def work_off(bench: Bench, guard: HoursGuard) -> None:
    """Poll until no work is left; each poll looks up a few numbers at most."""
    while bench.engine.unfinished:
        before = guard.number_look_ups
        bench.poll(NOW)
        assert guard.number_look_ups - before <= MAX_A_TURN


def test_a_list_of_new_numbers_is_decided_in_slices() -> None:
    """No event looks up more than a few, all are sent, and nobody waits longer than the slices take."""
    guard, caller = HoursGuard(learns=True), Caller()
    bench = bench_with(guard, call_rate=0.0)
    submit(bench, caller, *many(COUNT))
    assert guard.number_look_ups == LOOK_UPS_AT_ONCE
    sent: list[str] = []
    while len(sent) < COUNT:
        before = guard.number_look_ups
        decision = bench.poll(NOW)
        assert guard.number_look_ups - before <= MAX_A_TURN
        assert bench.engine.unfinished or guard.number_look_ups == COUNT
        for batch in decision.batches:
            sent += tokens_of(batch)
            bench.complete(NOW, batch)
    assert sorted(sent) == sorted(many(COUNT))
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.ACCEPTED}
    assert_idle(bench, NOW)


def test_lists_that_follow_each_other_share_what_a_turn_may_look_up() -> None:
    """Many streams may bring short lists between two turns."""
    guard, callers = HoursGuard(learns=True), [Caller() for _ in range(20)]
    bench = bench_with(guard, call_rate=0.0)
    for number, caller in enumerate(callers):
        submit(bench, caller, *many(5, f"list-{number}-"))
    assert LOOK_UPS_AT_ONCE <= guard.number_look_ups < 2 * LOOK_UPS_AT_ONCE
    batches = bench.poll(NOW).batches
    assert guard.number_look_ups < 2 * LOOK_UPS_AT_ONCE + MAX_A_TURN
    while batches or bench.engine.unfinished:
        for batch in batches:
            bench.complete(NOW, batch)
        batches = bench.poll(NOW).batches
    assert [len(caller.answers) for caller in callers] == [5] * 20
    assert_idle(bench, NOW)


def test_requests_whose_turn_has_not_come_are_answered_like_others() -> None:
    """They wait in no queue yet when their campaign is purged, their caller leaves, or the gateway does."""
    for leave in ("purge", "gone", "drain"):
        guard, caller = HoursGuard(learns=True), Caller()
        bench = bench_with(guard, call_rate=1.0, concurrent_calls=1)
        submit(bench, caller, *many(COUNT))
        if leave == "purge":
            entries = bench.engine.operator_actions.entries_of("campaign")
            assert bench.engine.operator_actions.answer_waiting(NOW, entries, PURGED) == COUNT
        elif leave == "gone":
            bench.engine.source_gone(NOW, caller.source)
        else:
            bench.engine.drain(NOW, NOW)
        while bench.engine.unfinished:
            assert not bench.poll(NOW).batches
        bench.take_answers(NOW)
        reasons = {answer.reason for answer in caller.answers.values()}
        expected = {"purge": Reason.PURGED, "drain": Reason.DRAINING}
        assert reasons == ({expected[leave]} if leave in expected else set())
        assert len(caller.answers) == (COUNT if leave in expected else 0)
        assert_idle(bench, NOW)


def test_new_numbers_that_may_not_be_called_yet_wait() -> None:
    """The rules see them when their turn comes; a review and the opening look up few at a time, too."""
    guard, caller = opening_at(60.0), Caller()
    guard.learns = True
    bench = bench_with(guard, call_rate=0.0)
    submit(bench, caller, *many(COUNT))
    work_off(bench, guard)
    assert waiting(bench) == COUNT
    assert records(bench) == [(GuardDecision.WAITS, token) for token in many(COUNT)]
    guard.known.clear()
    bench.engine.rules_changed(NOW)
    work_off(bench, guard)
    assert (waiting(bench), guard.number_look_ups) == (COUNT, COUNT)
    guard.known.clear()
    while waiting(bench):
        before = guard.number_look_ups
        bench.poll(NOW + 60.0)
        assert guard.number_look_ups - before <= MAX_A_TURN
    assert guard.number_look_ups == COUNT
