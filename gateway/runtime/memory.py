"""Gives memory back to the system after a flood: what CPython and the allocator would keep for good.

A gateway that has held much and holds little is tidied at once and again some seconds later, and one that
holds little every minute: a full collection, and `malloc_trim`, where the C library has it. Without full
collections the reference cycles that gRPC and boto3 leave behind with each call would accumulate. Python
never makes one by itself: it stops the event loop for 0.2 s while 200,000 dial requests are held, and for
0.7 s if they are in 100,000 campaigns. How much is given back depends on the allocator: see the settings in
the README.

What is new is looked through at every look. Python would do so once enough has come that stays; where as
much goes as comes, it would come to that after minutes, and then take a tenth of a second.
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
"""Looks from the end of a flood to one more tidying, for what ends in these seconds: streams and calls."""
MUCH = 5000
"""Dial requests held at the peak, from which on a flood is worth a full collection at its end."""
SHARE = 10
"""How many times less than at the peak must be held, and `LITTLE` at most: then the flood is over."""


class Tidying:
    """Decides, look by look, when memory is worth giving back."""

    def __init__(self) -> None:
        self._peak = 0
        self._looks = 0

    def is_due(self, held: int) -> bool:
        """Take a look at how many requests are held; whether a flood is over, or it is time again.

        Where a flood is over it is time again after `LOOKS_AFTER_FLOOD` more looks, else after `LOOKS`.
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
