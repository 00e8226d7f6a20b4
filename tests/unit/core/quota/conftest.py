import pytest

from tests.unit.core.quota.replica import LATE_S, NOW, Bench


@pytest.fixture
def bench() -> Bench:
    """Provide a replica that has had its first reply at `NOW`."""
    bench = Bench()
    bench.tick(NOW - LATE_S)
    return bench
