"""Repeated lines of a library are dropped and counted."""

import logging

import pytest

from gateway.runtime.logs.repeats import BURST, EVERY_S, KINDS, RepeatFilter


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def record(name: str = "asyncio", message: str = "failed: %s", error: str = "OSError") -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "", 0, message, ("x",), None)
    made.__dict__["error"] = error
    return made


@pytest.mark.parametrize("name", ["asyncio", "gateway.loop"])
def test_a_burst_passes_and_the_rest_is_counted(name: str) -> None:
    """The first line after a while says how many were left out before it."""
    clock = Clock()
    repeats = RepeatFilter(clock)
    assert [repeats.filter(record(name)) for _ in range(1000)] == [True] * BURST + [False] * (1000 - BURST)
    assert repeats.left_out == 1000 - BURST
    clock.at += EVERY_S
    later, last = record(name), record(name)
    assert repeats.filter(later)
    assert repeats.filter(last)
    assert later.__dict__["more_before"] == 1000 - BURST
    assert "more_before" not in last.__dict__


def test_kinds_do_not_share_a_burst() -> None:
    """Another logger, text or exception is another kind of line."""
    repeats = RepeatFilter(Clock())
    for _ in range(100):
        repeats.filter(record())
    assert repeats.filter(record("botocore"))
    assert repeats.filter(record(message="other"))
    assert repeats.filter(record(error="KeyError"))
    assert not repeats.filter(record())


def test_our_own_lines_all_pass() -> None:
    """The gateway's own lines are not limited: each has its own content, such as a trace id."""
    repeats = RepeatFilter(Clock())
    assert all(repeats.filter(record("gateway.api.dial_request_service")) for _ in range(1000))


def test_kinds_that_are_made_up_do_not_grow_the_filter() -> None:
    """A library that puts values into its texts costs no memory."""
    repeats = RepeatFilter(Clock())
    for number in range(10 * KINDS):
        repeats.filter(record(message=f"failed {number}"))
    assert len(repeats._recent) == KINDS
