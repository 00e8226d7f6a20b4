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

COLLECT = (5_000, 3, 1_000_000_000)
"""Thresholds of Python's collector: it looks through young objects often, and never through everything."""
LOOK_EVERY_S = 5.0
"""Seconds between two looks at how much is held."""
LITTLE, LOOKS = 5000, 12
"""Dial requests held, at most, for a full collection: it takes 5 ms, or 30 ms if each has its own campaign.
Also the number of looks from one full collection to the next."""
LOOKS_AFTER_FLOOD = 2
"""Checks from the end of a flood to another tidying, for streams and calls that end in these seconds."""
MUCH = 5000
"""A flood with at least so many outstanding requests is followed by a full collection."""
SHARE = 10
"""How many times less than at the peak must be held, and `LITTLE` at most: then the flood is over."""


class Tidying:
    """Decides, look by look, when memory is worth giving back."""

    def __init__(self) -> None:
        self._peak = 0
        self._looks = 0

    def is_due(self, held: int) -> bool:
        """Check the number of outstanding requests; return whether to tidy now.

        That is after a flood, `LOOKS_AFTER_FLOOD` checks later again, and otherwise after every `LOOKS`
        checks.
        """
        self._peak = max(self._peak, held)
        self._looks += 1
        flood_is_over = self._peak >= MUCH and held * SHARE <= self._peak and held <= LITTLE
        if not flood_is_over and (held > LITTLE or self._looks < LOOKS):
            return False
        self._peak = held
        self._looks = LOOKS - LOOKS_AFTER_FLOOD if flood_is_over else 0
        return True


async def keep_tidy(held: Callable[[], int], every_s: float = LOOK_EVERY_S) -> None:
    """Give memory back after each flood and now and then, until cancelled."""
    tidying = Tidying()
    while True:
        await asyncio.sleep(every_s)
        if tidying.is_due(held()):
            gc.collect()
            await asyncio.to_thread(give_back)
        else:
            gc.collect(1)


def give_back() -> bool:
    """Hand free memory back to the system; return False where the C library cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
