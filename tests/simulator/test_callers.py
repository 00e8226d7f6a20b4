"""Other callers of the same AWS account spend the same quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.simulator import OtherCaller
from gateway.simulator.callers import OtherCallers
from gateway.simulator.quota import PUT_BATCH, PUT_OUTBOUND_BATCH, Quota, Quotas

if TYPE_CHECKING:
    from tests.simulator.conftest import Account, MakeAccount

NOON = 1.8e9


def others(rate: float, burst: float) -> tuple[Quotas, OtherCallers]:
    quotas = Quotas({PUT_BATCH: Quota(rate, burst)})
    return quotas, OtherCallers(quotas.take)


@pytest.mark.parametrize("step_s", [0.25, 0.37, 60.0])
def test_calls_of_a_caller_do_not_depend_on_when_they_are_charged(step_s: float) -> None:
    """A caller makes all its calls from its first second to its last, whenever they are charged."""
    _, callers = others(5, 5)
    callers.add(OtherCaller(calls_per_s=10, begin_at=NOON + 10, end_at=NOON + 20, insists=False))
    for step in range(int(60 / step_s) + 1):
        callers.catch_up(NOON + step * step_s)
    (record,) = callers.records(NOON + 60)
    assert record.granted + record.throttled == 100
    assert record.granted in (54, 55)


def test_a_caller_spends_quota_during_its_period(make_account: MakeAccount) -> None:
    """When another caller takes half the quota from second 10 to 20, the other half stays available."""
    seconds, granted = greedy(make_account(call_rate=10, call_burst=1), insists=True)
    assert (seconds, granted) == ([100, 50, 100], 50)


def test_a_caller_that_does_not_insist_may_get_nothing(make_account: MakeAccount) -> None:
    """A caller that does not insist gets nothing while another asks whenever there is a token."""
    seconds, granted = greedy(make_account(call_rate=10, call_burst=1), insists=False)
    assert seconds[1] + granted == 100
    assert granted < 10


def greedy(account: Account, *, insists: bool) -> tuple[list[int], int]:
    """Ask ten times a second; return how many calls passed in each of three spans of ten seconds, and the
    other caller.
    """
    start = account.now
    account.connect.add_caller(
        OtherCaller(calls_per_s=5, begin_at=start + 10, end_at=start + 20, insists=insists)
    )
    answers = []
    for step in range(300):
        account.now = start + step * 0.1 + 0.05
        answers.append(account.put_tokens(f"t{step}").status == 200)
    seconds = [sum(answers[first : first + 100]) for first in (0, 100, 200)]
    (record,) = account.connect.callers.records(account.now)
    return seconds, record.granted


def test_an_insisting_caller_gets_at_most_the_quota() -> None:
    """A caller that insists on more than the quota gets the quota, and leaves a debt of at most one call."""
    quotas, callers = others(10, 10)
    callers.add(OtherCaller(calls_per_s=100, begin_at=NOON, end_at=NOON + 100))
    (record,) = callers.records(NOON + 100)
    assert 1009 <= record.granted <= 1011
    assert not quotas.take(PUT_BATCH, NOON + 100.05)
    assert quotas.take(PUT_BATCH, NOON + 100.25)


def test_calls_of_several_callers_are_charged_in_order_of_time() -> None:
    """The caller that calls first gets the token, even if both are charged later."""
    _, callers = others(0.001, 1)
    late, early = NOON + 2, NOON + 1
    for begin_at, operation in ((late, PUT_BATCH), (early, PUT_OUTBOUND_BATCH)):
        callers.add(
            OtherCaller(
                calls_per_s=1,
                begin_at=begin_at,
                end_at=begin_at + 1,
                operation=operation,
                insists=False,
            )
        )
    counts = [(record.granted, record.throttled) for record in callers.records(NOON + 10)]
    assert counts == [(0, 1), (1, 0)]


def test_a_removed_caller_makes_no_calls() -> None:
    """A caller that was removed no longer spends the quota."""
    quotas, callers = others(0.001, 1)
    first = callers.add(OtherCaller(calls_per_s=1, begin_at=NOON))
    callers.add(OtherCaller(calls_per_s=1, begin_at=NOON))
    assert callers.remove(first)
    assert not callers.remove(first)
    callers.clear()
    callers.catch_up(NOON + 100)
    assert quotas.take(PUT_BATCH, NOON + 100)


def test_quota_spent_at_once(make_account: MakeAccount) -> None:
    """Calls that others make at once pass until the quota is used up; an unknown operation is an error."""
    account = make_account(call_rate=10, call_burst=10)
    assert account.connect.consume_quota(PUT_OUTBOUND_BATCH, 4, account.now) == 4
    assert account.connect.consume_quota(PUT_BATCH, 9, account.now) == 6
    assert account.put_tokens("a").error_code == "ThrottlingException"
    with pytest.raises(ValueError, match="no operation 'Put'"):
        account.connect.consume_quota("Put", 1, account.now)
    with pytest.raises(ValueError, match="no operation 'Put'"):
        account.connect.add_caller(OtherCaller(calls_per_s=1, begin_at=0.0, operation="Put"))


def test_a_reset_removes_all_callers(make_account: MakeAccount) -> None:
    """A reset removes all other callers."""
    account = make_account(call_rate=1, call_burst=1)
    account.connect.add_caller(OtherCaller(calls_per_s=100, begin_at=account.now))
    assert account.put_tokens("a").status == 429
    account.connect.reset()
    assert account.put_tokens("a").status == 200


@pytest.mark.parametrize(
    "values",
    [
        {"calls_per_s": 0.0, "begin_at": 0.0},
        {"calls_per_s": 1e9, "begin_at": 0.0},
        {"calls_per_s": 1.0, "begin_at": float("nan")},
        {"calls_per_s": 1.0, "begin_at": 1.0, "end_at": 0.0},
    ],
)
def test_an_invalid_caller_is_refused(values: dict[str, Any]) -> None:
    """Invalid values of a caller raise an error in its constructor."""
    with pytest.raises(ValueError, match="must"):
        OtherCaller(**values)
