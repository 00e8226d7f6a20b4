"""Where the wall clock stands on the steady scale."""

import time

import pytest

from gateway.runtime.clock import SAME_OFFSET_S, SystemClock


class Clocks:
    """Two clocks that are set by hand."""

    steady_s = 1_000.0
    wall_s = 1_800_000_000.0

    def clock(self) -> SystemClock:
        """Make a clock that reads these two."""
        return SystemClock(lambda: self.steady_s, lambda: self.wall_s)


def test_the_same_second_is_the_same_instant() -> None:
    """Readings that differ by the time between two reads of a clock give the same offset."""
    clocks = Clocks()
    clock = clocks.clock()
    first = clock.wall_offset()
    told = set()
    for number in range(100):
        clocks.wall_s += 1.0
        clocks.steady_s += 1.0 + (-1) ** number * 20e-6
        told.add(clock.wall_offset())
    assert told == {first}


def test_a_wall_clock_that_is_set() -> None:
    """A step of the wall clock counts at once, a slow drift once it is more than readings differ by."""
    clocks = Clocks()
    clock = clocks.clock()
    clocks.wall_s += 60.0
    assert clock.wall_offset() == clocks.steady_s - clocks.wall_s
    for _ in range(10_000):
        clocks.steady_s += 1.0
        clocks.wall_s += 1.0 + 100e-6
        assert abs(clock.wall_offset() - (clocks.steady_s - clocks.wall_s)) <= SAME_OFFSET_S


@pytest.mark.timed
def test_the_machines_clocks() -> None:
    """The default clocks are the machine's: both scales name the same instant."""
    clock = SystemClock()
    apart = [abs(time.time() + clock.wall_offset() - clock.now()) for _ in range(10)]
    assert min(apart) < 0.1  # the process may stand still between two readings


def test_the_scale_of_expiries_follows_the_wall_clock() -> None:
    """An expiry keeps its instant on that scale, however the wall clock is set; now moves on it instead."""
    clocks = Clocks()
    clock = clocks.clock()
    before_s, expires_at = clock.gained(), clocks.wall_s + 300.0
    clocks.wall_s += 600.0
    assert clock.gained() == before_s + 600.0
    assert clock.epoch_now() == expires_at + 300.0
    clocks.steady_s += 10.0
    clocks.wall_s -= 1190.0
    assert clock.gained() == before_s - 600.0
    assert clock.epoch_now() == expires_at - 890.0


def test_a_wall_clock_that_is_known_to_be_wrong() -> None:
    """Expiries follow the corrected wall clock."""
    clocks = Clocks()
    clock = clocks.clock()
    before_s = clock.gained()
    clock.correction = lambda: 120.0
    assert clock.gained() == before_s + 120.0
