"""Counts answers, and how long they took, in groups of equal ones.

The answers of a call mostly belong to requests that came in one list, of one caller and campaign, with one
outcome. So they are counted once for each such group: a tenth of a microsecond for each answer.
"""

from collections.abc import Iterator, Sequence

from gateway.core.model import Outcome, Settled
from gateway.telemetry.counters import Counters


def count_answers(counters: Counters, now: float, answers: Sequence[Settled]) -> None:
    """Count answers that were decided at `now`, in seconds on the clock of `Waiter.read_at`."""
    for first, count in groups(answers):
        waiter, campaign_id, _, answer = first
        outcome = answer.outcome
        counters.answered(campaign_id, waiter.source.caller, outcome, answer.reason, count)
        counters.request_duration.of(NAMES[outcome]).add(max(0.0, now - waiter.read_at), count)
        if answer.replayed:
            counters.replayed += count


def groups(answers: Sequence[Settled]) -> Iterator[tuple[Settled, int]]:
    """Yield the first of each run of answers that are counted alike, and the length of the run."""
    if not answers:
        return
    first = answers[0]
    source, read_at, campaign_id = first.waiter.source, first.waiter.read_at, first.campaign_id
    outcome, reason, replayed = first.answer.outcome, first.answer.reason, first.answer.replayed
    begin = number = 0
    for number, settled in enumerate(answers):
        waiter, campaign, _, answer = settled
        if (
            waiter.source is source
            and waiter.read_at == read_at
            and answer.outcome is outcome
            and answer.reason is reason
            and campaign == campaign_id
            and answer.replayed == replayed
        ):
            continue
        yield first, number - begin
        begin, first = number, settled
        source, read_at, campaign_id = waiter.source, waiter.read_at, campaign
        outcome, reason, replayed = answer.outcome, answer.reason, answer.replayed
    yield first, number + 1 - begin


NAMES = {outcome: outcome.name for outcome in Outcome}
"""The names of outcomes: an enumeration looks its name up each time, which takes longer."""
