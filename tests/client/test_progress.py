"""The progress line and the summary: pure functions of a state and a time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from dialgateway import DialRequest, DialResult, Outcome, Reason
from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.progress import ProgressState, clock, render
from dialgateway.dialctl.summary import Summary


def test_it_shows_share_rate_time_and_outcomes() -> None:
    """Half way through, everything a person wants to know is on the line."""
    state = ProgressState(100.0, 2000, Counter(ACCEPTED=990, REJECTED=10))
    assert render(state, 104.0, 200) == (
        "[##########..........] 1,000/2,000  250/s  0:04, 0:04 to go  ACCEPTED 990  REJECTED 10"
    )


def test_it_never_passes_the_width() -> None:
    """A narrow terminal gets the beginning of the line."""
    state = ProgressState(0.0, 2000, Counter(ACCEPTED=990))
    assert len(render(state, 4.0, 30)) == 30


def test_a_beginning_without_answers_has_no_time_to_go() -> None:
    """At the first instant nothing is divided by zero."""
    assert render(ProgressState(5.0, 10), 5.0, 80) == "[....................] 0/10  0/s  0:00"


def test_without_a_total_there_is_no_bar() -> None:
    """A pipe of unknown length shows what is done."""
    assert render(ProgressState(0.0, None, Counter(ACCEPTED=7)), 1.0, 80) == "7  7/s  0:01  ACCEPTED 7"


def test_the_end_shows_the_time_taken() -> None:
    """When all is done, nothing is to go."""
    state = ProgressState(0.0, 2, Counter(ACCEPTED=2))
    assert render(state, 2.0, 80) == "[####################] 2/2  1/s  0:02  ACCEPTED 2"


def test_clock_writes_hours_only_when_there_are_some() -> None:
    """Durations read like those of a stopwatch."""
    assert [clock(0), clock(61.9), clock(3723)] == ["0:00", "1:01", "1:02:03"]


def test_the_summary_counts_by_outcome_and_reason_and_shows_traces() -> None:
    """The last words hold counts, the rate, and the first traces of what was not accepted."""
    summary = Summary()
    lead = Lead(7, "c", DialRequest("t", "+12025550123", datetime(2030, 1, 1, tzinfo=UTC)))
    summary.answered(lead, DialResult("t", 0, Outcome.ACCEPTED, trace_id="aa"))
    summary.answered(lead, DialResult("t", 1, Outcome.ACCEPTED, trace_id="bb"))
    summary.answered(
        lead, DialResult("t", 2, Outcome.EXPIRED, reason=Reason.THROTTLED, detail="too many", trace_id="cc")
    )
    summary.without_answer("INVALID_ROW")
    assert list(summary.lines(2.0, "r.csv")) == [
        "4 leads in 0:02 (2.0 s, 2/s)",
        "          2  ACCEPTED",
        "          1  EXPIRED THROTTLED",
        "          1  INVALID_ROW",
        "the first that were not accepted:",
        "  line 7  EXPIRED THROTTLED: too many\n    trace cc",
        "results: r.csv",
    ]
