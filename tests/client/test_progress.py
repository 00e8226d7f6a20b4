"""The progress, the campaigns that wait, and the summary: pure functions of a state and a time."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import timedelta

import pytest

from dialgateway import DialResult, Notice, NoticeKind, Outcome, Reason
from dialgateway.dialctl.conditions import sentence
from dialgateway.dialctl.earlier import Earlier
from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.progress import Progress, ProgressState, clock, plain_line
from dialgateway.dialctl.summary import Summary


def test_it_shows_share_rate_time_and_outcomes() -> None:
    """Half way through, everything a person wants to know is on the line."""
    state = ProgressState(100.0, 2000, Counter(ACCEPTED=990, REJECTED=10))
    assert plain_line(state, 104.0) == "1,000/2,000  250/s  0:04, 0:04 to go  ACCEPTED 990  REJECTED 10"


def test_a_beginning_without_answers_has_no_time_to_go() -> None:
    """At the first instant nothing is divided by zero."""
    assert plain_line(ProgressState(5.0, 10), 5.0) == "0/10  0/s  0:00"


def test_a_list_of_unknown_length_shows_what_is_done() -> None:
    """A pipe has no total."""
    assert plain_line(ProgressState(0.0, None, Counter(ACCEPTED=7)), 1.0) == "7  7/s  0:01  ACCEPTED 7"


def test_the_end_shows_the_time_taken() -> None:
    """When all is done, nothing is to go."""
    assert plain_line(ProgressState(0.0, 2, Counter(ACCEPTED=2)), 2.0) == "2/2  1/s  0:02  ACCEPTED 2"


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


async def test_a_terminal_gets_a_bar_and_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich draws the bar. Other lines stand above it; markup and emoji codes in them are text."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    state = ProgressState(0.0, 2, Counter(ACCEPTED=1), lambda: ["campaign c is HELD: [red]x[/red]"])
    progress = Progress(state, terminal, quiet=False)
    progress.say("line 7: [bold]is :phone: bad[/bold]")
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
    progress.say("line 7: is bad")
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
    """Who must do something: somebody in Amazon Connect, nobody, or an operator of the gateway."""
    told = sentence("c", Notice(kind, "c", timedelta(seconds=12)))
    assert f"campaign c is {word}: " in told
    assert end in told


def test_clock_writes_hours_only_when_there_are_some() -> None:
    """Durations read like those of a stopwatch."""
    assert [clock(0), clock(61.9), clock(3723)] == ["0:00", "1:01", "1:02:03"]


def test_the_summary_counts_by_outcome_and_reason_and_shows_traces() -> None:
    """The last words hold counts, the rate, and the first traces of what was not accepted."""
    summary = Summary()
    lead = Lead(7, "c", "t", "+12025550123", {})
    summary.answered(lead, DialResult("t", 0, Outcome.ACCEPTED, trace_id="aa"))
    summary.answered(lead, DialResult("t", 1, Outcome.ACCEPTED, trace_id="bb"))
    summary.answered(
        lead, DialResult("t", 2, Outcome.EXPIRED, reason=Reason.THROTTLED, detail="too many", trace_id="cc")
    )
    summary.without_answer("INVALID_ROW")
    assert list(summary.lines(2.0, "r.csv", Earlier())) == [
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
    """Return the last state that a terminal of a size shows."""
    conditions = [
        sentence(f"c-{number}", Notice(NoticeKind.CAMPAIGN_PARKED, f"c-{number}"))
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
    """The bar has a line of its own, no outcome is cut off, and nothing runs out of the screen."""
    lines = drawn(width, height, 20)
    text = " ".join(" ".join(lines).split())
    assert set(lines[0]) <= set("━╸╺ ")
    assert "ACCEPTED 41,234" in text
    assert "INVALID_ROW 55" in text
    assert "more campaigns that wait" in text
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
