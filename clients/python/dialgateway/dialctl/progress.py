"""How far a list is: a bar by rich on a terminal, plain lines now and then elsewhere.

rich comes with the extra `cli`. Without it the lines are plain on a terminal as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from dialgateway.dialctl.screen import shown, tell

_TERMINAL_S, _PLAIN_S = 0.1, 2.0
_CAMPAIGNS_SHOWN = 8
_LINES_OF_COUNTS = 8
"""Lines of a screen that the bar and the counts may take, on a narrow one too."""


@dataclass(slots=True)
class ProgressState:
    """How far a list is. Times are seconds of a monotonic clock; `total` is None where it is not known.

    `conditions` returns a line for each campaign that does not take leads.
    """

    started: float
    total: int | None = None
    outcomes: Counter[str] = field(default_factory=Counter)
    conditions: Callable[[], list[str]] = list

    @property
    def done(self) -> int:
        """How many leads have their line in the results file."""
        return self.outcomes.total()

    def rate(self, now: float) -> float:
        """Return the leads a second since the start."""
        elapsed = now - self.started
        return self.done / elapsed if elapsed > 0 else 0.0


def counts(state: ProgressState) -> str:
    """Write the outcomes so far, the most frequent first."""
    return "  ".join(f"{outcome} {count:,}" for outcome, count in state.outcomes.most_common())


def plain_line(state: ProgressState, now: float) -> str:
    """Write the state as one line."""
    total = "" if not state.total else f"/{state.total:,}"
    elapsed, rate = max(now - state.started, 0.0), state.rate(now)
    left = (
        ""
        if not state.total or not rate or state.done >= state.total
        else (f", {clock((state.total - state.done) / rate)} to go")
    )
    parts = [f"{state.done:,}{total}", f"{rate:,.0f}/s", clock(elapsed) + left, counts(state)]
    return "  ".join(part for part in parts if part)


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
        self._bar = _Bar(state, stream) if self._shown and stream.isatty() and _rich_is_there() else None
        self._said: set[str] = set()

    async def run(self) -> None:
        """Show it again and again."""
        while self._shown:
            await asyncio.sleep(_TERMINAL_S if self._bar else _PLAIN_S)
            if self._bar is not None:
                self._bar.update()
            else:
                self._tell()

    def finish(self) -> None:
        """Leave the last state on a terminal."""
        if self._bar is not None:
            self._bar.finish()
            self._bar = None

    def say(self, line: str) -> None:
        """Write a line of its own."""
        if self._bar is not None:
            self._bar.say(shown(line))
        else:
            tell(self._stream, line)

    def _tell(self) -> None:
        conditions = set(self._state.conditions())
        new = sorted(conditions - self._said)  # each once, as long as it lasts
        tell(self._stream, plain_line(self._state, time.monotonic()), *(f"  {line}" for line in new))
        self._said = conditions


def _rich_is_there() -> bool:
    try:
        import rich.live  # noqa: F401 - only where it is needed: the extra may not be installed
    except ImportError:
        return False
    return True


class _Bar:
    """The bar, the outcomes, and the campaigns that wait, redrawn in place."""

    def __init__(self, state: ProgressState, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._state = state
        self._console = Console(file=stream)
        self._live: Any = Live(
            console=self._console, auto_refresh=False, get_renderable=self._drawn, transient=False
        )
        self._live.start()

    def update(self) -> None:
        """Draw the state as it is now; a terminal that is gone is not told of."""
        with contextlib.suppress(OSError):
            self._live.refresh()

    def say(self, line: str) -> None:
        """Write a line above the bar; what is in it is text, not markup."""
        with contextlib.suppress(OSError):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def finish(self) -> None:
        """Leave the last state where it is."""
        with contextlib.suppress(OSError):
            self._live.refresh()
            self._live.stop()

    def _drawn(self) -> Any:
        from rich.align import Align
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        state, screen = self._state, self._console.size
        parts: list[Any] = []
        if state.total:
            bar = ProgressBar(total=state.total, completed=min(state.done, state.total), width=40)
            parts.append(Align.left(bar))  # which gives it a line of its own
        parts.append(Text(plain_line(state, time.monotonic())))
        fitting, left = _fitting(state.conditions(), screen.width, screen.height - _LINES_OF_COUNTS)
        parts += [Text(line, style="yellow") for line in fitting]
        if left:
            parts.append(Text(f"  and {left:,} more campaigns that wait"))
        return Group(*parts)


def _fitting(conditions: list[str], width: int, height: int) -> tuple[list[str], int]:
    """Return the lines about campaigns that a screen has room for, and how many are left out."""
    fitting: list[str] = []
    for condition in conditions[:_CAMPAIGNS_SHOWN]:
        line = f"  {condition}"
        height -= len(line) // max(width - 10, 1) + 1  # words are not divided: a line may end early
        if height < 0:
            break
        fitting.append(line)
    return fitting, len(conditions) - len(fitting)
