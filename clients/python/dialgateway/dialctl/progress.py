"""The progress bar: a pure `render`, and a task that shows it on a terminal, or plain lines elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

_TERMINAL_SECONDS = 0.1
_PLAIN_SECONDS = 2.0
_BAR_WIDTH = 20
_CLEAR_LINE = "\r\x1b[K"


@dataclass(slots=True)
class ProgressState:
    """How far a file is. Times are seconds of a monotonic clock; `total` is None where it is not known."""

    started: float
    total: int | None = None
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many leads have their line in the results file."""
        return self.outcomes.total()


def render(state: ProgressState, now: float, width: int) -> str:
    """Draw the state as one line of at most `width` characters; what matters less stands further right."""
    elapsed = max(now - state.started, 0.0)
    rate = state.done / elapsed if elapsed > 0 else 0.0
    parts = [_done(state), f"{rate:,.0f}/s", _times(state, elapsed, rate)]
    parts += [f"{outcome} {count:,}" for outcome, count in state.outcomes.most_common()]
    return "  ".join(parts)[:width]


def _done(state: ProgressState) -> str:
    if not state.total:
        return f"{state.done:,}"
    share = min(state.done / state.total, 1.0)
    bar = ("#" * int(share * _BAR_WIDTH)).ljust(_BAR_WIDTH, ".")
    return f"[{bar}] {state.done:,}/{state.total:,}"


def _times(state: ProgressState, elapsed: float, rate: float) -> str:
    if not state.total or rate == 0 or state.done >= state.total:
        return clock(elapsed)
    return f"{clock(elapsed)}, {clock((state.total - state.done) / rate)} to go"


def clock(seconds: float) -> str:
    """Write a duration as m:ss, or h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """Shows the state on `stream` until cancelled, and lets other lines through without breaking the bar."""

    def __init__(self, state: ProgressState, stream: TextIO, *, quiet: bool) -> None:
        self._state = state
        self._stream = stream
        self._shown = not quiet
        self._terminal = stream.isatty()

    async def run(self) -> None:
        """Draw again and again."""
        while self._shown:
            await asyncio.sleep(_TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS)
            self._draw()

    def finish(self) -> None:
        """Leave the last state on a terminal."""
        if self._shown and self._terminal:
            self._draw()
            self._stream.write("\n")

    def say(self, line: str) -> None:
        """Write a line of its own."""
        self._stream.write((_CLEAR_LINE if self._shown and self._terminal else "") + line + "\n")

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1 if self._terminal else 200
        line = render(self._state, time.monotonic(), width)
        self._stream.write(_CLEAR_LINE + line if self._terminal else line + "\n")
        self._stream.flush()
