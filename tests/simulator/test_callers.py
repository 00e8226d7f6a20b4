"""Callers outside the gateway, who spend the same quota."""

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
def test_the_time_of_looking_does_not_matter(step_s: float) -> None:
    """Whenever somebody looks, a caller has made its calls from its first second up to its last."""
    _, callers = others(5, 5)
    callers.add(OtherCaller(calls_per_s=10, begin_at=NOON + 10, end_at=NOON + 20, insists=False))
    for step in range(int(60 / step_s) + 1):
        callers.catch_up(NOON + step * step_s)
    (record,) = callers.records(NOON + 60)
    assert record.granted + record.throttled == 100
    assert record.granted in (54, 55)


def test_they_take_what_is_asked_for_later(make_account: MakeAccount) -> None:
    """With half the quota taken from second 10 to 20, the other half is left for that while, no less."""
    seconds, granted = greedy(make_account(call_rate=10, call_burst=1), insists=True)
    assert (seconds, granted) == ([100, 50, 100], 50)


def test_who_does_not_insist_may_get_nothing(make_account: MakeAccount) -> None:
    """A caller that gives way takes nothing from one that asks whenever there is a token."""
    seconds, granted = greedy(make_account(call_rate=10, call_burst=1), insists=False)
    assert seconds[1] + granted == 100
    assert granted < 10


def greedy(account: Account, *, insists: bool) -> tuple[list[int], int]:
    """Ask ten times a second; return what came in each of three times ten seconds, and to the other."""
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


def test_nobody_gets_more_than_there_is() -> None:
    """Who insists on more than the quota gets the quota, and leaves at most one call of debt behind."""
    quotas, callers = others(10, 10)
    callers.add(OtherCaller(calls_per_s=100, begin_at=NOON, end_at=NOON + 100))
    (record,) = callers.records(NOON + 100)
    assert 1009 <= record.granted <= 1011
    assert not quotas.take(PUT_BATCH, NOON + 100.05)
    assert quotas.take(PUT_BATCH, NOON + 100.25)


def test_several_callers_come_in_the_order_of_time() -> None:
    """Of two callers, the one that calls first has the token, however late both are charged."""
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


def test_who_is_gone_calls_no_more() -> None:
    """A caller that is taken away leaves the quota alone."""
    quotas, callers = others(0.001, 1)
    first = callers.add(OtherCaller(calls_per_s=1, begin_at=NOON))
    callers.add(OtherCaller(calls_per_s=1, begin_at=NOON))
    assert callers.remove(first)
    assert not callers.remove(first)
    callers.clear()
    callers.catch_up(NOON + 100)
    assert quotas.take(PUT_BATCH, NOON + 100)


def test_quota_spent_at_once(make_account: MakeAccount) -> None:
    """Calls that others make at once get in as far as the quota goes; an unknown operation is an error."""
    account = make_account(call_rate=10, call_burst=10)
    assert account.connect.consume_quota(PUT_OUTBOUND_BATCH, 4, account.now) == 4
    assert account.connect.consume_quota(PUT_BATCH, 9, account.now) == 6
    assert account.put_tokens("a").error_code == "ThrottlingException"
    with pytest.raises(ValueError, match="no operation 'Put'"):
        account.connect.consume_quota("Put", 1, account.now)
    with pytest.raises(ValueError, match="no operation 'Put'"):
        account.connect.add_caller(OtherCaller(calls_per_s=1, begin_at=0.0, operation="Put"))


def test_a_reset_lets_all_go(make_account: MakeAccount) -> None:
    """After a reset nobody else calls."""
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
def test_senseless_caller_is_refused(values: dict[str, Any]) -> None:
    """Values that do not make a caller are an error where it is made."""
    with pytest.raises(ValueError, match="must"):
        OtherCaller(**values)
