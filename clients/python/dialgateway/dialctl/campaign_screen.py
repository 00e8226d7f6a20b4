"""Campaigns on a terminal, laid out by Rich: a table that fits the width, and a view redrawn in place.

Import this module only for a terminal (`terminal.rich_console`): Rich comes with the extra `cli`, and its
import takes about 0.1 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, OverflowMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dialgateway.campaigns import Campaign, CampaignsSeen, CampaignState
from dialgateway.dialctl.campaign_table import (
    MAX_WIDTHS,
    NUMERIC,
    REPLICAS,
    cells,
    missing_replicas,
    table_lines,
    titles,
)

_STATE_STYLES = {"flowing": "green", "cooling": "yellow", "parked": "yellow", "held": "red"}
_LINES_BESIDE_ROWS = 3
"""The line above the table, the titles, and an empty last line."""
_LEFT_OUT_WHEN_NARROW = ("OTHER", "OLDEST", "ACC/S", "ACCEPTED", REPLICAS, "IN FLIGHT", "WHY")
"""The columns that a narrow terminal does not show, the least important first."""
_MIN_WHY = 20
"""The least width of the column WHY, in characters."""
_GAP = 2


def print_campaigns(campaigns: Sequence[Campaign], console: Console) -> None:
    """Print a table that cuts no text. If that does not fit, print lines that the terminal wraps."""
    rows, columns = _rows(campaigns), titles(campaigns)
    if _fitting_titles(rows, columns, console.width) == list(columns):
        console.print(_table(rows, columns, overflow="fold"))
        return
    for line in table_lines(campaigns):
        console.print(line, soft_wrap=True)


def _rows(campaigns: Iterable[Campaign]) -> list[dict[str, str]]:
    return [cells(campaign) for campaign in campaigns]


def _table(rows: Iterable[Mapping[str, str]], columns: Iterable[str], overflow: OverflowMethod) -> Table:
    """Return a table. With the overflow `fold`, long texts take several lines."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for title in columns:
        justify: JustifyMethod = "right" if title in NUMERIC else "left"
        # Rich takes missing width from the columns that may wrap: here from the last ones only.
        wraps = title in {"WHY", REPLICAS}
        table.add_column(title, justify=justify, no_wrap=not wraps, max_width=MAX_WIDTHS.get(title))
    for row in rows:
        texts = {title: Text(row[title], no_wrap=overflow != "fold", overflow=overflow) for title in columns}
        texts["STATE"].stylize(_STATE_STYLES.get(row["STATE"], ""))
        table.add_row(*texts.values())
    return table


def _fitting_titles(rows: Sequence[Mapping[str, str]], columns: Sequence[str], width: int) -> list[str]:
    """Return the titles of the columns that a terminal has room for."""
    widths = {
        title: min(max(map(cell_len, (title, *(row[title] for row in rows)))), MAX_WIDTHS.get(title, width))
        for title in columns
    }
    widths["WHY"] = min(widths["WHY"], _MIN_WHY)
    for title in _LEFT_OUT_WHEN_NARROW:
        if sum(widths.values()) + _GAP * (len(widths) - 1) <= width:
            break
        widths.pop(title, None)
    return list(widths)


class WatchScreen:
    """A context manager that shows campaigns on the alternate screen, and leaves the last state behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: CampaignsSeen | None = None
        self._live = Live(
            get_renderable=self._view,
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        # Not on Windows, and not outside the main thread: the next change is then drawn in the new size.
        with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, self._resized)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._seen is not None:
            self._console.print(self._view())

    def show(self, seen: CampaignsSeen) -> None:
        """Draw a new state. Raises OSError if the terminal is gone."""
        self._seen = seen
        self._live.refresh()

    def _resized(self) -> None:
        with contextlib.suppress(OSError):
            self._live.refresh()

    def _view(self) -> RenderableType:
        seen = self._seen
        if seen is None:
            return Text("waiting for the gateway")
        ordered = sorted(seen.campaigns.values(), key=_not_flowing_first)
        head = f"{seen.as_of:%H:%M:%S} UTC, {len(ordered)} campaigns"
        room = max(1, self._console.size.height - _LINES_BESIDE_ROWS)
        if len(ordered) > room:
            head += f", {room} of them here"
        head += missing_replicas(seen)
        rows = _rows(ordered[:room])
        # An encoding other than UTF-8 may not have the ellipsis character.
        overflow: OverflowMethod = "crop" if self._console.options.ascii_only else "ellipsis"
        table = _table(rows, _fitting_titles(rows, titles(ordered), self._console.width), overflow)
        return Group(Text(head, no_wrap=True, overflow="crop"), table)


def _not_flowing_first(campaign: Campaign) -> tuple[bool, int, str]:
    """Order campaigns so that those left out on a short screen matter least: flowing, with few requests."""
    return campaign.state is CampaignState.FLOWING, -campaign.queued, campaign.campaign_id
