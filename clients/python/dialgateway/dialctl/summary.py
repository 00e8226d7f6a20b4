"""The summary at the end of `dialctl send`: counts, and the first leads that were not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.previous_runs import PreviousRuns
from dialgateway.dialctl.progress import clock
from dialgateway.values import DialResult

_TRACES = 5


@dataclass(slots=True)
class Summary:
    """Counts answers by outcome and reason, and keeps the traces of the first ones that were not accepted."""

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    traces: list[str] = field(default_factory=list)

    def answered(self, lead: Lead, result: DialResult) -> None:
        """Count an answer."""
        accepted = result.accepted
        reason = "" if accepted else result.reason.value
        self.reasons[result.outcome.value, reason] += 1
        if not accepted and result.trace_id and len(self.traces) < 2 * _TRACES:
            text = f"line {lead.line}  {result.outcome} {reason}: {result.detail}"
            self.traces += [text, f"  trace {result.trace_id}"]

    def without_answer(self, outcome: str) -> None:
        """Count a lead without an answer. `outcome` is the word in the results file."""
        self.reasons[outcome, ""] += 1

    def lines(self, elapsed: float, results: str, previous: PreviousRuns) -> Iterator[str]:
        """Yield the lines of the summary; `elapsed` is in seconds."""
        total = self.reasons.total()
        rate = total / elapsed if elapsed > 0 else 0.0
        yield f"{total:,} lead{'s' * (total != 1)} in {clock(elapsed)} ({elapsed:.1f} s, {rate:,.0f}/s)"
        for (outcome, reason), count in sorted(self.reasons.items(), key=lambda item: -item[1]):
            yield f"  {count:>9,}  {outcome} {reason}".rstrip()
        yield from _about_previous(previous)
        if self.traces:
            yield "the first that were not accepted:"
            yield from (f"  {trace}" for trace in self.traces)
        yield f"results: {results}"


def _about_previous(previous: PreviousRuns) -> Iterator[str]:
    if previous.settled:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in previous.settled.most_common())
        yield f"settled by earlier runs and not sent again: {outcomes}"
    if previous.changed_since_accepted:
        changed = previous.changed_since_accepted
        yield f"  {changed:,} of the accepted leads have changed since; they are not dialed again"
    if previous.unchanged:
        yield "failed in an earlier run and unchanged since then; correct the line to send it again:"
    for line, status in previous.unchanged:
        yield f"  line {line}  {status.outcome} {status.reason}: {status.detail}"
