"""The metrics of single callers: what they sent, what they were answered, and their share of the calls."""

from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.answer_counts import NAMES
from gateway.telemetry.counters import CallerCounters
from gateway.telemetry.families import Family, Numbers, Row


def caller_families(callers: dict[str, CallerCounters]) -> list[Family]:
    """Return the usage of each caller's label."""
    received: list[Row] = []
    answered: list[Row] = []
    calls: list[Row] = []
    for label, counts in callers.items():
        labels, began_ns = (label,), counts.began_ns
        received.append((labels, counts.received, began_ns))
        calls.append((labels, counts.calls, began_ns))
        for outcome, count in counts.answers.items():
            answered.append(((label, NAMES[outcome]), count, began_ns))
    found = (
        (definitions.CALLER_RECEIVED, received),
        (definitions.CALLER_ANSWERED, answered),
        (definitions.CALLER_CALLS, calls),
    )
    return [Numbers(metric, rows, counter=True) for metric, rows in found if rows]
