"""Long work, done a slice at a time, so that whoever asks the core never waits long for its answer.

Work is a list of units, and what to do with each: to answer a dial request, for example. As much as is
left of the current slice is done at once; `poll` begins a new slice at each turn of the shell.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from gateway.core.model import Settled

SLICE = 1000
"""Units of one slice, each of some microseconds: with the telling of an answer 10 ms on a slow machine."""

Unit = TypeVar("Unit")
Work = Callable[[float, Any, list[Settled]], None]
"""What is done with one unit at an instant; answers go into the list."""


def handed_out(units: list[Unit]) -> Iterator[Unit]:
    """Yield units and forget each: to free hundreds of thousands at the end would take long."""
    units.reverse()
    while units:
        yield units.pop()


class Slices:
    """Work that is under way, in the order in which it came, and what is left of the current slice."""

    def __init__(self, size: int = SLICE) -> None:
        self._size = size
        self.left = size
        self._work: deque[tuple[Iterator[Any], Work, Callable[[float], None]]] = deque()

    def __bool__(self) -> bool:
        """Whether any work is left."""
        return bool(self._work)

    def begin(self, spent: int = 0) -> None:
        """Begin a new slice, of which so many units are spent; a quarter of it is left all the same."""
        self.left = max(self._size - spent, -(-self._size // 4))

    def add(
        self,
        units: Iterable[Unit],
        work: Callable[[float, Unit, list[Settled]], None],
        done: Callable[[float], None] = lambda now: None,
    ) -> None:
        """Let `work` be done with each unit, behind what is under way already, and `done` after the last."""
        self._work.append((handed_out(list(units)) if isinstance(units, list) else iter(units), work, done))

    def run(self, now: float, settled: list[Settled]) -> None:
        """Do as much as is left of the current slice; answers go into `settled`."""
        while self._work and self.left > 0:
            units, work, done = self._work[0]
            before = self.left
            for unit in islice(units, before):
                self.left -= 1
                work(now, unit, settled)
            if self.left > 0:  # there were fewer units than that
                self._work.popleft()
                done(now)
