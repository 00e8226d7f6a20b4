"""Tables of campaigns on terminals of many kinds, drawn by Rich."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from dialgateway import Campaign, CampaignsSeen, CampaignState, HeldRequests, Hold, Outcome, Reason
from dialgateway.dialctl.campaign_screen import WatchScreen, print_campaigns
from dialgateway.dialctl.campaign_table import TITLES, campaign_line
from dialgateway.dialctl.terminal import rich_console

NOW = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
LONG_ID = "renewals-of-the-north-region-that-end-in-december-2026"
WIDE_ID = "キャンペーン東京"


class Terminal(io.TextIOWrapper):
    """A text stream that claims to be a terminal, and keeps the output."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.written = io.BytesIO()
        super().__init__(self.written, encoding=encoding, errors="backslashreplace", newline="")

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return the lines that remain on the terminal, without escape sequences."""
        self.flush()
        text = self.written.getvalue().decode(self.encoding).rpartition("\x1b[?1049l")[2]
        return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a terminal of 150 columns and 24 lines."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("LINES", "24")
    return monkeypatch


def campaign(campaign_id: str, held_for: str | None = None, queued: int = 0) -> Campaign:
    hold = None if held_for is None else Hold("anna", held_for, NOW, HeldRequests.WAIT)
    return Campaign(
        campaign_id=campaign_id,
        state=CampaignState.FLOWING if hold is None else CampaignState.HELD,
        queued=queued,
        in_flight=25,
        oldest_wait=timedelta(seconds=3),
        outcomes=dict.fromkeys(Outcome, 1000),
        accepted_per_second=12.5,
        reason=Reason.UNSPECIFIED,
        detail="",
        since=NOW,
        retry_after=None,
        hold=hold,
        last_action=None,
    )


def printed(*campaigns: Campaign) -> list[str]:
    """Print campaigns as `dialctl campaigns` does on a terminal; return the lines."""
    terminal = Terminal()
    console = rich_console(terminal)
    assert console is not None
    print_campaigns(campaigns, console)
    return terminal.lines()


def watched(*campaigns: Campaign, encoding: str = "utf-8") -> list[str]:
    """Return the lines that `dialctl watch` leaves on a terminal."""
    terminal = Terminal(encoding)
    console = rich_console(terminal)
    assert console is not None
    with WatchScreen(console) as shown:
        shown.show(CampaignsSeen(NOW, {each.campaign_id: each for each in campaigns}, frozenset()))
    return terminal.lines()


@pytest.mark.usefixtures("screen")
def test_columns_are_aligned_for_wide_characters() -> None:
    """A character that takes two columns counts as two, so the states are aligned."""
    title, *rows = printed(campaign("c"), campaign(WIDE_ID), campaign("d", "x"))
    assert title.split()[:3] == ["CAMPAIGN", "STATE", "QUEUED"]
    states = [row.index("flowing") if "flowing" in row else row.index("held") for row in rows]
    columns = {cell_len(row[:at]) for row, at in zip(rows, states, strict=True)}
    assert columns == {title.index("STATE")}


def test_one_campaign_as_a_line_has_a_wait_only_if_something_waits() -> None:
    """Without a queued request there is no oldest one."""
    assert campaign_line(campaign("c", queued=4)).startswith("c: flowing, 4 queued (oldest 3s), 25 in flight")
    assert campaign_line(campaign("c")).startswith("c: flowing, 0 queued, 25 in flight")


@pytest.mark.parametrize("columns", [60, 80, 120, 160])
def test_a_list_of_campaigns_loses_no_text_on_a_narrow_terminal(
    screen: pytest.MonkeyPatch, columns: int
) -> None:
    """Long ids and reasons are wrapped; if the columns do not fit, the terminal wraps whole lines."""
    screen.setenv("COLUMNS", str(columns))
    lines = printed(campaign("c-1"), campaign("c-2", "a reason of several words", 4321))
    text = " ".join(" ".join(lines).split())
    for part in (*TITLES, "c-1", "c-2", "4,321", "anna"):
        assert part in text
    assert {"a", "reason", "of", "several", "words"} <= set(text.split())


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 150])
def test_a_watch_shows_id_and_state_in_one_line_at_any_width(
    screen: pytest.MonkeyPatch, columns: int
) -> None:
    """A narrow terminal gets fewer columns and shorter texts. No line is longer than the terminal is wide."""
    screen.setenv("COLUMNS", str(columns))
    lines = watched(campaign(LONG_ID[:25], "a reason of several words", 4321), campaign(WIDE_ID))
    assert max(map(cell_len, lines)) <= columns
    (held,) = (line for line in lines if LONG_ID[:20] in line)
    assert re.search(r"held +4,321", held)
    assert len([line for line in lines if line]) == 4


def test_a_watch_shows_what_does_not_flow_first_and_fits_the_height(screen: pytest.MonkeyPatch) -> None:
    """With more campaigns than lines, those left out flow."""
    screen.setenv("LINES", "10")
    lines = watched(*(campaign(f"c-{number}") for number in range(30)), campaign("z", "wrong list"))
    assert len([line for line in lines if line]) <= 10
    assert "31 campaigns, 7 of them here" in lines[0]
    assert lines[2].startswith("z ")


@pytest.mark.usefixtures("screen")
def test_a_terminal_without_unicode_gets_no_ellipsis() -> None:
    """Texts are cut without the ellipsis character, which would be written as an escape of six characters."""
    lines = watched(campaign(LONG_ID), encoding="ascii")
    assert any(LONG_ID[:40] in line for line in lines)
    assert not any("\\u2026" in line for line in lines)


def test_no_color_leaves_out_colors_only(screen: pytest.MonkeyPatch) -> None:
    """NO_COLOR is obeyed, and the table is the same."""
    colored = printed(campaign("c", "x"))
    screen.setenv("NO_COLOR", "1")
    terminal = Terminal()
    console = rich_console(terminal)
    assert console is not None
    print_campaigns([campaign("c", "x")], console)
    assert terminal.lines() == colored
    assert re.search(rb"\x1b\[[0-9;]*3[0-9]m", terminal.written.getvalue()) is None


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_cannot_be_redrawn_has_no_console(screen: pytest.MonkeyPatch, name: str) -> None:
    """Without cursor movement plain lines are written, as into a pipe."""
    screen.setenv("TERM", name)
    assert rich_console(Terminal()) is None


def test_a_pipe_has_no_console(screen: pytest.MonkeyPatch) -> None:
    """A pipe gets plain text, also where FORCE_COLOR asks other programs for colors."""
    screen.setenv("FORCE_COLOR", "1")
    assert rich_console(io.StringIO()) is None


@pytest.mark.usefixtures("screen")
def test_text_of_callers_is_no_markup() -> None:
    """Ids and reasons that look like Rich's markup or emoji codes are shown unchanged."""
    lines = printed(campaign("[red]c[/red]", ":phone: [bold]x[/bold]"))
    assert "[red]c[/red]" in lines[1]
    assert ":phone: [bold]x[/bold]" in lines[1]
