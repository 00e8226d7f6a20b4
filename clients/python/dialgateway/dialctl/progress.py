"""The progress of a list: a bar drawn by Rich on a terminal, and a plain line every two seconds elsewhere.

Rich comes with the extra `cli`. Without it a terminal gets plain lines too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from dialgateway.dialctl.terminal import printable, rich_console, write_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_TERMINAL_S, _PLAIN_S = 0.1, 2.0
_CAMPAIGNS_SHOWN = 8
_LINES_OF_COUNTS = 8
"""The lines that the bar and the counts take at most, also on a narrow screen."""


@dataclass(slots=True)
class ProgressState:
    """The progress of a list. `started` is in seconds of a monotonic clock; `total` is None if unknown.

    `conditions` returns one line for each campaign that takes no leads.
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
        """Return the mean rate since the start, in leads per second."""
        elapsed = now - self.started
        return self.done / elapsed if elapsed > 0 else 0.0


def counts(state: ProgressState) -> str:
    """Return the counts of the outcomes as text, the most frequent first."""
    return "  ".join(f"{outcome} {count:,}" for outcome, count in state.outcomes.most_common())


def plain_line(state: ProgressState, now: float) -> str:
    """Return the state as one line."""
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
    """Return a duration as m:ss, or h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """Shows the state on `stream` until cancelled; `write_line` writes other lines above the bar."""

    def __init__(self, state: ProgressState, stream: TextIO, *, quiet: bool) -> None:
        self._state = state
        self._stream = stream
        self._quiet = quiet
        console = None if quiet else rich_console(stream)
        self._bar = None if console is None else _Bar(state, console)
        self._conditions_shown: set[str] = set()

    async def run(self) -> None:
        """Show the state repeatedly; returns only if quiet."""
        while not self._quiet:
            await asyncio.sleep(_TERMINAL_S if self._bar else _PLAIN_S)
            if self._bar is not None:
                self._bar.update()
            else:
                self._write_plain()

    def finish(self) -> None:
        """Draw the last state on a terminal, and stop redrawing it."""
        if self._bar is not None:
            self._bar.finish()
            self._bar = None

    def write_line(self, line: str) -> None:
        """Write one line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write_line(printable(line))
        else:
            write_lines(self._stream, line)

    def _write_plain(self) -> None:
        conditions = set(self._state.conditions())
        new = sorted(conditions - self._conditions_shown)  # each one once while it lasts
        write_lines(self._stream, plain_line(self._state, time.monotonic()), *(f"  {line}" for line in new))
        self._conditions_shown = conditions


class _Bar:
    """The bar, the counts and the campaigns that take no leads, redrawn in place by Rich.

    Errors of a terminal that is gone are ignored: the results file has the answers.
    """

    def __init__(self, state: ProgressState, console: Console) -> None:
        from rich.live import Live

        self._state = state
        self._console = console
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._view)
        self._live.start()

    def update(self) -> None:
        """Draw the state as it is now."""
        with contextlib.suppress(OSError):
            self._live.refresh()

    def write_line(self, line: str) -> None:
        """Write a line above the bar."""
        with contextlib.suppress(OSError):
            self._console.print(line, soft_wrap=True)

    def finish(self) -> None:
        """Draw the last state, and stop."""
        with contextlib.suppress(OSError):
            self._live.refresh()
            self._live.stop()

    def _view(self) -> RenderableType:
        from rich.align import Align
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        state, screen = self._state, self._console.size
        parts: list[RenderableType] = []
        if state.total:
            bar = ProgressBar(total=state.total, completed=min(state.done, state.total), width=40)
            parts.append(Align.left(bar))  # `Align` ends the line after the bar
        parts.append(Text(plain_line(state, time.monotonic())))
        lines, left_out = _fitting(state.conditions(), screen.width, screen.height - _LINES_OF_COUNTS)
        parts += [Text(line, style="yellow") for line in lines]
        if left_out:
            parts.append(Text(f"  and {left_out:,} more campaigns that wait"))
        return Group(*parts)


def _fitting(conditions: list[str], width: int, height: int) -> tuple[list[str], int]:
    """Return the lines that fit on the screen, and how many conditions are left out."""
    from rich.cells import cell_len

    fitting: list[str] = []
    for condition in conditions[:_CAMPAIGNS_SHOWN]:
        line = f"  {condition}"
        height -= (
            cell_len(line) // max(width - 10, 1) + 1
        )  # at most 10 columns stay empty: words are not split
        if height < 0:
            break
        fitting.append(line)
    return fitting, len(conditions) - len(fitting)
