"""Returns memory to the system after a flood of dial requests. CPython and the allocator would keep it.

After a flood the gateway is tidied at once and again some seconds later. While it has few outstanding
requests, it is tidied every minute. Tidying is a full garbage collection, and `malloc_trim` if the C library
has it. Without full collections, the reference cycles that gRPC and boto3 leave behind with each call would
accumulate. Python's automatic full collections are disabled: one stops the event loop for 0.2 s with 200,000
outstanding requests, and for 0.7 s if they are in 100,000 campaigns. The amount of returned memory depends on
the allocator: see the settings in the README.

Young objects are collected at every check. Python would do so after a number of surviving allocations. With
as many deallocations as allocations, it would reach that number only after minutes, and then take a tenth of
a second.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable
from typing import Any, TypeVar

THRESHOLDS = (5_000, 1, 1_000_000_000)
"""Thresholds of Python's collector: frequent collections of young objects, and no full ones.

Every second collection of new objects visits those of the previous one as well. While many answers wait, that
takes 25 ms; after every fourth one it took 50."""
CHECK_EVERY_S = 5.0
"""Seconds between two checks of the number of outstanding requests."""
FEW_OUTSTANDING, CHECKS_BETWEEN = 5000, 12
"""A full collection needs at most so many outstanding requests: it takes 5 ms, or 30 ms if each has its own
campaign. The second number is the checks from one full collection to the next."""
CHECKS_AFTER_FLOOD = 2
"""Checks from the end of a flood to another tidying, for streams and calls that end in these seconds."""
FLOOD_FROM = 5000
"""A flood with at least so many outstanding requests is followed by a full collection."""
FLOOD_OVER_DIVISOR = 10
"""A flood is over at its peak divided by this, and at most `FEW_OUTSTANDING` outstanding requests."""


LARGE = 20_000
"""Items from which a list or dictionary is large: see `tenured`."""

Container = TypeVar("Container", list[Any], dict[Any, Any])


def configure_collector() -> None:
    """Set up Python's garbage collector for a gateway that is about to serve.

    It collects once: it was disabled since the process began. Automatic collections during the imports would
    visit all that is imported again and again, which takes a tenth of a second.
    """
    gc.collect()
    gc.freeze()  # the collector need not visit these objects again
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def tenured(container: Container, size: int) -> Container:
    """Move an empty list or dictionary that is about to get `size` items to the oldest generation; return it.

    Does nothing unless it will be `LARGE`. The next two collections of young objects would visit each of its
    items: 60 ms for 100,000. A collection of the few young objects that exist now takes 10 ms at most.
    """
    if size >= LARGE:
        if isinstance(container, dict):
            container[None] = []  # the collector ignores dictionaries of simple values only
        gc.collect(1)
        container.clear()
    return container


class TidySchedule:
    """Decides at each check whether to tidy."""

    def __init__(self) -> None:
        self._peak = 0
        self._checks = 0

    def is_due(self, outstanding: int) -> bool:
        """Check the number of outstanding requests; return whether to tidy now.

        That is after a flood, again `CHECKS_AFTER_FLOOD` checks later, and else after every
        `CHECKS_BETWEEN` checks.
        """
        self._peak = max(self._peak, outstanding)
        self._checks += 1
        flood_is_over = (
            self._peak >= FLOOD_FROM
            and outstanding * FLOOD_OVER_DIVISOR <= self._peak
            and outstanding <= FEW_OUTSTANDING
        )
        if not flood_is_over and (outstanding > FEW_OUTSTANDING or self._checks < CHECKS_BETWEEN):
            return False
        self._peak = outstanding
        self._checks = CHECKS_BETWEEN - CHECKS_AFTER_FLOOD if flood_is_over else 0
        return True


async def keep_tidy(outstanding: Callable[[], int], every_s: float = CHECK_EVERY_S) -> None:
    """Tidy after each flood, and at times while few requests are outstanding, until cancelled.

    A request counts as outstanding until its answer is handed over: a full collection visits answers too.
    """
    schedule = TidySchedule()
    while True:
        await asyncio.sleep(every_s)
        if schedule.is_due(outstanding()):
            gc.collect()
            await asyncio.to_thread(trim_heap)
        else:
            gc.collect(1)


def trim_heap() -> bool:
    """Return free memory to the system; return False if the C library cannot do it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
