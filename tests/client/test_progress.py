"""The progress, the campaigns that take no leads, and the summary, as functions of a state and a time."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import timedelta

import pytest

from dialgateway import DialResult, Notice, NoticeKind, Outcome, Reason
from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.not_flowing import not_flowing_line
from dialgateway.dialctl.previous_runs import PreviousRuns
from dialgateway.dialctl.progress import Progress, ProgressState, clock, plain_line
from dialgateway.dialctl.summary import Summary


def test_the_line_shows_share_rate_time_and_outcomes() -> None:
    """Half way through a list, with the time that is left."""
    state = ProgressState(100.0, 2000, Counter(ACCEPTED=990, REJECTED=10))
    assert plain_line(state, 104.0) == "1,000/2,000  250/s  0:04, 0:04 to go  ACCEPTED 990  REJECTED 10"


def test_the_first_line_has_no_time_left() -> None:
    """Nothing is divided by zero."""
    assert plain_line(ProgressState(5.0, 10), 5.0) == "0/10  0/s  0:00"


def test_a_list_of_unknown_length_shows_the_leads_so_far() -> None:
    """Without a total, as from a pipe, the line shows the leads so far."""
    assert plain_line(ProgressState(0.0, None, Counter(ACCEPTED=7)), 1.0) == "7  7/s  0:01  ACCEPTED 7"


def test_the_last_line_shows_the_time_taken() -> None:
    """No time is left at the end."""
    assert plain_line(ProgressState(0.0, 2, Counter(ACCEPTED=2)), 2.0) == "2/2  1/s  0:02  ACCEPTED 2"


class Terminal(io.StringIO):
    """A text stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


async def test_a_terminal_gets_a_bar_and_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich draws the bar. Other lines are above it; markup and emoji codes in them are text."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    state = ProgressState(0.0, 2, Counter(ACCEPTED=1), lambda: ["campaign c is HELD: [red]x[/red]"])
    progress = Progress(state, terminal, quiet=False)
    progress.write_line("line 7: [bold]is :phone: bad[/bold]")
    progress.finish()
    shown = terminal.getvalue()
    assert "line 7: [bold]is :phone: bad[/bold]" in shown
    assert "1/2" in shown
    assert "[red]x[/red]" in shown


def test_a_terminal_that_cannot_be_redrawn_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TERM=dumb nothing is drawn in place."""
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    progress = Progress(ProgressState(0.0, 2, Counter(ACCEPTED=1)), terminal, quiet=False)
    progress.write_line("line 7: is bad")
    progress.finish()
    assert terminal.getvalue() == "line 7: is bad\n"


@pytest.mark.parametrize(
    ("kind", "word", "end"),
    [
        (NoticeKind.CAMPAIGN_PARKED, "PARKED", "started or resumed in Amazon Connect"),
        (NoticeKind.CAMPAIGN_COOLING, "COOLING", "tries again by itself, in about 12 s"),
        (NoticeKind.CAMPAIGN_HELD, "HELD", "dialctl release"),
    ],
)
def test_each_condition_says_what_ends_it(kind: NoticeKind, word: str, end: str) -> None:
    """It depends on somebody in Amazon Connect, on nobody, or on an operator of the gateway."""
    line = not_flowing_line("c", Notice(kind, "c", timedelta(seconds=12)))
    assert f"campaign c is {word}: " in line
    assert end in line


def test_durations_have_hours_only_if_necessary() -> None:
    """A duration is shown as on a stopwatch: minutes and seconds, and hours if there are any."""
    assert [clock(0), clock(61.9), clock(3723)] == ["0:00", "1:01", "1:02:03"]


def test_the_summary_counts_by_outcome_and_reason_and_shows_traces() -> None:
    """It has counts, the rate, and the first traces of leads that were not accepted."""
    summary = Summary()
    lead = Lead(7, "c", "t", "+12025550123", {})
    summary.answered(lead, DialResult("t", 0, Outcome.ACCEPTED, trace_id="aa"))
    summary.answered(lead, DialResult("t", 1, Outcome.ACCEPTED, trace_id="bb"))
    summary.answered(
        lead, DialResult("t", 2, Outcome.EXPIRED, reason=Reason.THROTTLED, detail="too many", trace_id="cc")
    )
    summary.without_answer("INVALID_ROW")
    assert list(summary.lines(2.0, "r.csv", PreviousRuns(), wide=False)) == [
        "4 leads in 0:02 (2.0 s, 2/s)",
        "          2  ACCEPTED",
        "          1  EXPIRED THROTTLED",
        "          1  INVALID_ROW",
        "the first that were not accepted:",
        "  line 7  EXPIRED THROTTLED: too many",
        "    trace cc",
        "results: r.csv",
    ]


def drawn(width: int, height: int, campaigns: int) -> list[str]:
    """Return the last state on a terminal of this size."""
    conditions = [
        not_flowing_line(f"c-{number}", Notice(NoticeKind.CAMPAIGN_PARKED, f"c-{number}"))
        for number in range(campaigns)
    ]
    outcomes = Counter({"ACCEPTED": 41_234, "REJECTED": 12, "EXPIRED": 3, "UNKNOWN": 2, "INVALID_ROW": 55})
    terminal = Terminal()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", str(width))
        environment.setenv("LINES", str(height))
        environment.setenv("TERM", "xterm")
        Progress(ProgressState(0.0, 100_000, outcomes, lambda: conditions), terminal, quiet=False).finish()
    last = terminal.getvalue().rpartition("\x1b[2K")[2]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).splitlines()


@pytest.mark.parametrize(("width", "height"), [(100, 24), (40, 24), (30, 12)])
def test_a_screen_shows_all_counts_and_as_many_campaigns_as_fit(width: int, height: int) -> None:
    """The bar has a line of its own, no outcome is cut off, and nothing is longer than the screen."""
    lines = drawn(width, height, 20)
    text = " ".join(" ".join(lines).split())
    assert set(lines[0]) <= set("━╸╺ ")
    assert "ACCEPTED 41,234" in text
    assert "INVALID_ROW 55" in text
    assert "more campaigns that wait" in text
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
