"""A soak of some seconds finds no error, and its checks would find one."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.fleet.messages import Settlement, TokenState
from gateway.fleet.settlements import Settlements
from tests.faults.processes import Service
from tests.faults.soak.growth import TOKENS, Figures, Growth, without_results
from tests.faults.soak.inspected import object_types
from tests.faults.soak.long import long_soak
from tests.faults.soak.run import soak
from tests.faults.soak.trend import Sample, Trend

SAMPLE = Sample(at_s=0.0, memory_mb=80.0, files=20, tasks=10, streams=1, held=5, remembered=100)


@pytest.mark.timed
async def test_a_short_soak() -> None:
    """Every rule holds, and nothing remains of the callers once they are gone."""
    found = await soak(duration_s=5.0, rate=200.0, seed=1)
    assert not found.finding.failed, f"{found.finding}\n{found.finding.verdict}"
    assert found.finding.verdict.requests > 400
    assert len(found.table) > 2


@pytest.mark.timed
async def test_a_short_run_of_the_long_soak() -> None:
    """Every rule holds under its faults, and nothing remains of the callers once they are gone."""
    told: list[str] = []
    found = await long_soak(3.0, rate=100.0, seed=2, tell=told.append, every_s=0.3, longest_s=0.3)
    assert not found.finding.failed, f"{found.finding}\n{found.finding.verdict}"
    assert found.finding.verdict.requests > 50
    assert told


@pytest.mark.parametrize(
    ("end_s", "later", "failed"),
    [
        (3600, 100.0, False),
        (3600, 101.9, False),
        (3600, 102.1, True),
        (900, 103.9, False),
        (900, 104.1, True),
        (7200, 101.9, False),
    ],
)
def test_a_size_that_grows(end_s: int, later: float, *, failed: bool) -> None:
    """The median of the second half after the warm-up may be a share above that of the first.

    The share is twice that of an hour if the run takes a fourth of an hour.
    """
    growth = Growth("gateway 0")
    growth.samples = samples("memory, MB", end_s, later)
    growth.samples += [(1.0, {"memory, MB": 10.0}), (end_s - 0.5, {"memory, MB": 1000.0})]
    (check,) = growth.checks(0.2 * end_s, end_s, {})
    assert (check.value, not check.passed) == (later, failed)
    assert len(growth.table(rows=4)) == 5


def samples(name: str, end_s: int, later: float) -> list[tuple[float, Figures]]:
    """Return 80 samples of a figure that is 100 at first, and `later` in the second half."""
    begin_s, middle_s = 0.2 * end_s, 0.6 * end_s
    times = [begin_s + (end_s - begin_s) * number / 80 for number in range(80)]
    return [(at_s, {name: 100.0 if at_s < middle_s else later}) for at_s in times]


@pytest.mark.parametrize(("later", "failed"), [(190.0, False), (210.0, True)])
def test_a_size_with_a_bound(later: float, *, failed: bool) -> None:
    """A figure that follows the load may grow up to its bound."""
    growth = Growth("gateway 0")
    growth.samples = samples(TOKENS, 100, later)
    (check,) = growth.checks(20.0, 100.0, {TOKENS: 200.0})
    assert (check.value, not check.passed) == (later, failed)


def test_kept_results_are_not_counted_among_the_objects() -> None:
    """What a replica keeps of the last minute is a figure of its own, since it follows the load."""
    kept = Settlements()
    kept.add(("campaign", Settlement(f"token-{n}", "", n, TokenState.ACCEPTED)) for n in range(1000))
    while kept:
        kept.written(0.0, *kept.take())
    types = object_types()
    results, others = without_results(types)
    assert 2000 <= results < 3000
    assert sum(others.values()) == sum(types.values()) - results


def test_a_type_that_grows() -> None:
    """A type whose objects become many more is named, with its numbers; others are not."""
    growth = Growth("gateway 0")
    growth.types = [(float(second), {"steady": 5000, "leak": 1000 + 50 * second}) for second in range(100)]
    assert growth.growing_types(20.0, 100.0) == {"leak": (2975, 4975)}


async def test_the_halves_of_a_trend() -> None:
    """The samples after the warm-up are halved by time."""
    trend = Trend(Service("none", [], {}, Path(), b""))
    trend.samples = [replace(SAMPLE, at_s=float(second)) for second in range(100)]
    assert [sample.at_s for sample in trend.half(0, 20.0, 100.0)] == list(range(20, 60))
    assert [sample.at_s for sample in trend.half(1, 20.0, 100.0)] == list(range(60, 100))
    assert len(trend.table(rows=10)) == 11
