"""The processor time that counting takes for each dial request of full calls, in this process.

Two telemetries, one without metrics, do everything that they do for a call, in short turns. The difference of
their best turns depends little on other programs.
"""

import time

from opentelemetry.sdk.trace import SpanProcessor

from gateway.core.model import (
    BATCH_LIMIT,
    Answer,
    Batch,
    DialRequest,
    Entry,
    FlushReason,
    Outcome,
    Settled,
    Source,
    Waiter,
)
from gateway.telemetry import Telemetry, telemetry_with

CALLER, CAMPAIGN = "spiffe://example.org/ns/billing/sa/dialer", "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TURNS, CALLS = 200, 20


def counting_us() -> float:
    """Return the microseconds of processor time that metrics take for each dial request."""
    counting, spans_only = telemetry_with(SpanProcessor()), telemetry_with(SpanProcessor(), metrics=False)
    best_s = {counting: float("inf"), spans_only: float("inf")}
    batch, answers = _call()
    for _ in range(TURNS):
        for telemetry in best_s:
            began = time.thread_time()
            for _ in range(CALLS):
                _note(telemetry, batch, answers)
            best_s[telemetry] = min(best_s[telemetry], time.thread_time() - began)
    return (best_s[counting] - best_s[spans_only]) / (CALLS * BATCH_LIMIT) * 1e6


def _note(telemetry: Telemetry, batch: Batch, answers: list[Settled]) -> None:
    """Note a list of dial requests that is read, sent in one call and answered."""
    telemetry.received(CAMPAIGN, CALLER, len(answers))
    with telemetry.batch(batch).attempt(1, 100.0) as attempt:
        attempt.replied("request id", len(answers), (), 0.1)
    telemetry.answered(100.2, answers)


def _call() -> tuple[Batch, list[Settled]]:
    source, read_at = Source(caller=CALLER), 100.0
    entries = []
    for number in range(BATCH_LIMIT):
        request = DialRequest(CAMPAIGN, f"token-{number}", "+12025550123", {}, 1e9, 100)
        entries.append(Entry(request, 1e9, Waiter(source, number, read_at=read_at)))
    batch = Batch(1, CAMPAIGN, entries, FlushReason.FULL, 100.0, 1e9, 5)
    answers = [
        Settled(
            Waiter(source, number, read_at=read_at), CAMPAIGN, f"token-{number}", Answer(Outcome.ACCEPTED)
        )
        for number in range(BATCH_LIMIT)
    ]
    return batch, answers
