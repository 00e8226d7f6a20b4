"""A soak of some seconds finds no error, and its checks would find one."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.processes import Service
from tests.faults.soak.growth import Growth
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


@pytest.mark.parametrize(("later", "failed"), [(100.0, False), (104.0, False), (106.0, True)])
def test_a_size_that_grows(later: float, *, failed: bool) -> None:
    """The median of the second half after the warm-up may be a share above that of the first."""
    growth = Growth("gateway 0")
    growth.samples = [
        (float(second), {"memory, MB": 100.0 if second < 60 else later}) for second in range(20, 100)
    ]
    growth.samples += [(1.0, {"memory, MB": 10.0}), (99.5, {"memory, MB": 1000.0})]
    (check,) = growth.checks(20.0, 100.0)
    assert (check.value, not check.passed) == (later, failed)
    assert len(growth.table(rows=4)) == 5


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
