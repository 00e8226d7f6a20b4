"""Long work, done a slice at a time, so that no call into the core takes long.

Work is a list of units and a function for each, such as answering a dial request. As many units as the
current slice allows are done at once; `poll` begins a new slice at each turn of the shell.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

SLICE = 500
"""Units of one slice, each of some microseconds: including delivery of answers, 10 ms on a slow machine."""

Unit = TypeVar("Unit")
Work = Callable[[float, Any], None]
"""Processes one unit at an instant."""


def consume(units: list[Unit]) -> Iterator[Unit]:
    """Yield units and drop each. Freeing hundreds of thousands at once, at the end, would take long."""
    units.reverse()
    while units:
        yield units.pop()


class Slices:
    """The unfinished `work`, in order of arrival; `left` is how many units the current slice still allows.

    Work that takes longer than others lowers it itself.
    """

    def __init__(self, size: int = SLICE) -> None:
        self._size = size
        self.left = size
        self.work: deque[tuple[Iterator[Any], Work, Callable[[float], None]]] = deque()

    def begin(self, spent: int = 0) -> None:
        """Begin a new slice with so many units spent already; at least a quarter of it is left."""
        self.left = max(self._size - spent, -(-self._size // 4))

    def add(
        self,
        units: Iterable[Unit],
        work: Callable[[float, Unit], None],
        done: Callable[[float], None] = lambda now: None,
    ) -> None:
        """Do `work` for each unit, after the work that is under way, and call `done` after the last one.

        A list is emptied meanwhile, so it must be the caller's own.
        """
        self.work.append((consume(units) if isinstance(units, list) else iter(units), work, done))

    def run(self, now: float) -> None:
        """Do as many units as the current slice still allows."""
        while self.work and self.left > 0:
            units, work, done = self.work[0]
            for unit in units:
                self.left -= 1
                work(now, unit)
                if self.left <= 0:
                    break
            else:
                self.work.popleft()
                done(now)
