"""A soak of some seconds finds no error, and its checks would find one."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.processes import Service
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


async def test_the_halves_of_a_trend() -> None:
    """The samples after the warm-up are halved by time."""
    trend = Trend(Service("none", [], {}, Path(), b""))
    trend.samples = [replace(SAMPLE, at_s=float(second)) for second in range(100)]
    assert [sample.at_s for sample in trend.half(0, 20.0, 100.0)] == list(range(20, 60))
    assert [sample.at_s for sample in trend.half(1, 20.0, 100.0)] == list(range(60, 100))
    assert len(trend.table(rows=10)) == 11
