"""Contact limits: a sliding window over all contacts that count."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.compliance.contact_limits import ContactLimit, ModelContactLog
from tests.cases import cases

WEEK = 7 * 86_400.0
DEBTS = ContactLimit("debts", 7, WEEK)
PERSON, OTHER = b"p" * 8, b"o" * 8


def test_seven_calls_in_seven_days() -> None:
    """The eighth is free exactly seven days after the first; each further one after the next."""
    log = ModelContactLog()
    for day in range(7):
        assert log.record([DEBTS], PERSON, f"call-{day}", day * 86_400.0)
    now = 6.5 * 86_400
    assert log.free_at(DEBTS, PERSON, "call-7", now) == WEEK
    assert log.free_at(DEBTS, OTHER, "call-7", now) == now
    assert not log.record([DEBTS], PERSON, "call-7", WEEK - 1)
    assert log.record([DEBTS], PERSON, "call-7", WEEK)
    assert log.free_at(DEBTS, PERSON, "call-8", WEEK) == WEEK + 86_400


def test_the_same_call_counts_once() -> None:
    """However often it is sent, also when the limit is reached."""
    log, once = ModelContactLog(), ContactLimit("once", 1, 60.0)
    assert log.record([once], PERSON, "a", 0.0)
    assert log.record([once], PERSON, "a", 1.0)
    assert not log.record([once], PERSON, "b", 2.0)
    assert log.free_at(once, PERSON, "a", 2.0) == 2.0
    assert log.free_at(once, PERSON, "b", 2.0) == 60.0


def test_a_call_counts_under_all_limits_or_none() -> None:
    log, day, week = ModelContactLog(), ContactLimit("day", 1, 86_400.0), ContactLimit("week", 3, WEEK)
    assert log.record([day, week], PERSON, "a", 0.0)
    assert not log.record([week, day], PERSON, "b", 1.0)
    assert len(log) == 2
    assert log.record([week], PERSON, "c", 2.0)


def test_a_withdrawn_call_counts_no_longer() -> None:
    log, once = ModelContactLog(), ContactLimit("once", 1, 60.0)
    log.record([once], PERSON, "a", 0.0)
    log.withdraw([once], PERSON, "a")
    log.withdraw([once], PERSON, "never there")
    assert log.record([once], PERSON, "b", 1.0)


def test_nothing_is_kept_after_the_period() -> None:
    log = ModelContactLog()
    log.record([DEBTS], PERSON, "a", 0.0)
    log.free_at(DEBTS, PERSON, "b", WEEK)
    assert len(log) == 0


@settings(max_examples=cases(60, 2_000))
@given(
    st.integers(1, 4),
    st.floats(1, 50),
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 9)), max_size=40),
)
def test_no_window_ever_has_more_calls_than_the_limit(
    calls: int, period: float, steps: list[tuple[float, int]]
) -> None:
    """Whatever was tried and when: counted over all recorded calls, for every window of the period."""
    log, limit = ModelContactLog(), ContactLimit("l", calls, period)
    now, recorded = 0.0, dict[str, float]()
    for pause, number in steps:
        now += pause
        call = str(number)
        within = sum(at + period > now for at in recorded.values())
        again = recorded.get(call, -1e9) + period > now
        free = log.free_at(limit, PERSON, call, now)
        assert (free <= now) is (again or within < calls)
        if log.record([limit], PERSON, call, now) and not again:
            recorded[call] = now
        assert sum(at + period > now for at in recorded.values()) <= calls
