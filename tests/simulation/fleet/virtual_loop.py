"""An event loop on its own clock: instead of waiting it goes to the next instant at which something is due.

So the gateway's own asynchronous code runs in a simulation as it is, with many virtual seconds in each real
one, and the same seed gives the same run.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
TURN_S = 1e-6
"""What a turn of the loop takes. Without it, an alarm too early by a rounding error could be set forever."""
MAX_TURNS = 200_000
"""Turns of the loop without a wait, after which the code under test runs in circles."""


class _Jumping(selectors.SelectSelector):
    """A selector that moves the clock of its loop to the next timer instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.instant = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass that the loop would wait."""
        if timeout is None:
            raise RuntimeError("every task waits for another")
        self._turns = 0 if timeout > 0.0 else self._turns + 1
        if self._turns > MAX_TURNS:
            raise RuntimeError(f"the code runs in circles at {self.instant}")
        self.instant += max(timeout, TURN_S)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. Its clock begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual instant in seconds."""
        return self._jumping.instant


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end on a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def on_virtual_time(test: Callable[_Arguments, Coroutine[Any, Any, None]]) -> Callable[_Arguments, None]:
    """Let an asynchronous test run on a virtual loop: its time limits do not depend on the machine."""

    @wraps(test)
    def wrapped(*arguments: _Arguments.args, **fixtures: _Arguments.kwargs) -> None:
        run(test(*arguments, **fixtures))

    return wrapped
