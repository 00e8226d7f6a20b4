"""The last words of `dialctl send`: what became of the leads, and where to look further."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dialgateway.dialctl.earlier import Earlier
from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.progress import clock
from dialgateway.values import DialResult

_TRACES = 5


@dataclass(slots=True)
class Summary:
    """Counts answers by outcome and reason, and keeps the first traces of those not accepted."""

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    traces: list[str] = field(default_factory=list)

    def answered(self, lead: Lead, result: DialResult) -> None:
        """Take note of an answer."""
        accepted = result.accepted
        reason = "" if accepted else result.reason.value
        self.reasons[result.outcome.value, reason] += 1
        if not accepted and result.trace_id and len(self.traces) < 2 * _TRACES:
            told = f"line {lead.line}  {result.outcome} {reason}: {result.detail}"
            self.traces += [told, f"  trace {result.trace_id}"]

    def without_answer(self, outcome: str) -> None:
        """Take note of a lead that was not sent, or not answered."""
        self.reasons[outcome, ""] += 1

    def lines(self, elapsed: float, results: str, earlier: Earlier) -> Iterator[str]:
        """Write it all for a person; `elapsed` in seconds."""
        total = self.reasons.total()
        rate = total / elapsed if elapsed > 0 else 0.0
        yield f"{total:,} lead{'s' * (total != 1)} in {clock(elapsed)} ({elapsed:.1f} s, {rate:,.0f}/s)"
        for (outcome, reason), count in sorted(self.reasons.items(), key=lambda item: -item[1]):
            yield f"  {count:>9,}  {outcome} {reason}".rstrip()
        yield from _of_earlier(earlier)
        if self.traces:
            yield "the first that were not accepted:"
            yield from (f"  {trace}" for trace in self.traces)
        yield f"results: {results}"


def _of_earlier(earlier: Earlier) -> Iterator[str]:
    if earlier.settled:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in earlier.settled.most_common())
        yield f"settled by earlier runs and not sent again: {outcomes}"
    if earlier.changed_since_accepted:
        changed = earlier.changed_since_accepted
        yield f"  {changed:,} of the accepted leads have changed since; they are not dialed again"
    if earlier.unchanged:
        yield "failed in an earlier run, and unchanged since; once the line is corrected it is sent:"
    for line, status in earlier.unchanged:
        yield f"  line {line}  {status.outcome} {status.reason}: {status.detail}"
