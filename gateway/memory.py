"""Gives memory back to the system after a flood: what CPython and the allocator would keep for good.

A gateway that has held much and holds next to nothing is tidied once: a full collection, since no
event of an idle process calls for one, and `malloc_trim`, where the C library has it. How much that
gives back hangs on the allocator: see the settings in the README.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable

LOOK_EVERY_S = 5.0
"""Seconds between two looks at how much is held."""
MUCH = 5000
"""Dial requests held at the peak, from which on it is worth the pause of some tens of milliseconds."""
SHARE = 10
"""How many times less than at the peak must be held: then the flood is over."""


class Tidying:
    """Decides, look by look, when memory is worth giving back."""

    def __init__(self) -> None:
        self._peak = 0

    def is_due(self, held: int) -> bool:
        """Take a look at how many requests are held; whether a flood is over. Says so once for each."""
        self._peak = max(self._peak, held)
        if self._peak < MUCH or held * SHARE > self._peak:
            return False
        self._peak = held
        return True


async def keep_tidy(held: Callable[[], int], every_s: float = LOOK_EVERY_S) -> None:
    """Give memory back after each flood, until cancelled."""
    tidying = Tidying()
    while True:
        await asyncio.sleep(every_s)
        if tidying.is_due(held()):
            gc.collect()
            await asyncio.to_thread(give_back)


def give_back() -> bool:
    """Hand free memory back to the system; return False where the C library cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
