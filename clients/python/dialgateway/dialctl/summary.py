"""The summary at the end of `dialctl send`: counts, and the first leads that were not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.previous_runs import PreviousRuns
from dialgateway.dialctl.progress import clock
from dialgateway.dialctl.terminal import unambiguous
from dialgateway.values import DialResult

_SHOWN = 5
"""How many leads that were not accepted the summary names."""


class NotAccepted(NamedTuple):
    """A lead that was not accepted. `line` is its line in the list."""

    line: int
    outcome: str
    reason: str
    detail: str
    trace_id: str


@dataclass(slots=True)
class Summary:
    """Counts leads by campaign, outcome and reason, and keeps the first ones that were not accepted."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    not_accepted: list[NotAccepted] = field(default_factory=list)

    def answered(self, lead: Lead, result: DialResult) -> None:
        """Count an answer."""
        accepted = result.accepted
        reason = "" if accepted else result.reason.value
        self.counts[lead.campaign_id, result.outcome.value, reason] += 1
        if not accepted and result.trace_id and len(self.not_accepted) < _SHOWN:
            one = NotAccepted(lead.line, result.outcome.value, reason, result.detail, result.trace_id)
            self.not_accepted.append(one)

    def without_answer(self, outcome: str, campaign_id: str = "") -> None:
        """Count a lead without an answer. `outcome` is the word in the results file."""
        self.counts[campaign_id, outcome, ""] += 1

    def lines(self, elapsed: float, results: str, previous: PreviousRuns, *, wide: bool) -> Iterator[str]:
        """Yield the lines of the summary; `elapsed` is in seconds. With `wide`, counts by campaign follow."""
        total = self.counts.total()
        rate = total / elapsed if elapsed > 0 else 0.0
        yield f"{total:,} lead{'s' * (total != 1)} in {clock(elapsed)} ({elapsed:.1f} s, {rate:,.0f}/s)"
        reasons: Counter[str] = Counter()
        for (_, outcome, reason), count in self.counts.items():
            reasons[f"{outcome} {reason}".rstrip()] += count
        yield from (f"  {count:>9,}  {words}" for words, count in reasons.most_common())
        if wide:
            yield "by campaign:"
            for (campaign_id, outcome, reason), count in sorted(self.counts.items()):
                words = f"{unambiguous(campaign_id) or 'none'} {outcome} {reason}"
                yield f"  {count:>9,}  {words.rstrip()}"
        yield from _about_previous(previous)
        if self.not_accepted:
            yield "the first that were not accepted:"
        for one in self.not_accepted:
            yield f"  line {one.line}  {one.outcome} {one.reason}: {one.detail}"
            yield f"    trace {one.trace_id}"
        yield f"results: {results}"

    def document(self, elapsed: float, results: str, previous: PreviousRuns) -> dict[str, object]:
        """Return the summary as JSON has it; `elapsed` is in seconds."""
        return {
            "leads": self.counts.total(),
            "elapsed_s": round(elapsed, 3),
            "counts": [
                {"campaign_id": campaign_id, "outcome": outcome, "reason": reason, "count": count}
                for (campaign_id, outcome, reason), count in sorted(self.counts.items())
            ],
            "first_not_accepted": [one._asdict() for one in self.not_accepted],
            "settled_by_earlier_runs": dict(previous.settled),
            "changed_since_accepted": previous.changed_since_accepted,
            "failed_and_unchanged": [
                {"line": line, "outcome": status.outcome, "reason": status.reason, "detail": status.detail}
                for line, status in previous.unchanged
            ],
            "results": results,
        }


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
