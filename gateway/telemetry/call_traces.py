"""Spans of calls to Amazon Connect, with links to and from the spans of their dial requests."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode

from gateway.core.errors import CallFailure, RateThrottled
from gateway.core.model import Batch, Entry, ItemFailure
from gateway.telemetry import rpc_conventions as conventions
from gateway.telemetry.counters import THROTTLE_OF_CALL
from gateway.telemetry.metrics import Metrics

OK = "ok"
"""The result of an attempt that Connect answered item by item; a failure's is its name in errors.py."""
_no_context = Context()


@dataclass(slots=True)
class BatchTrace:
    """The trace of one batch: a CLIENT span per attempt, all in the trace of the first.

    Without `recording` there is only a trace id, for the answers: `new_trace_id` makes it.
    """

    tracer: trace.Tracer
    batch: Batch
    spans: list[Span]
    service: str
    method: str
    new_trace_id: Callable[[], int]
    metrics: Metrics | None = None
    recording: bool = True
    trace_id: str = ""
    _context: Context = field(default_factory=Context)

    def attempt(self, number: int, now: float) -> "AttemptTrace":
        """Begin an attempt of the call, with a span that is linked with those of its requests both ways."""
        entries = self.batch.entries
        if self.metrics is not None:
            first = min([entry.request.expiration or 0.0 for entry in entries], default=now)
            self.metrics.attempt_begun(first - now)
        if self.recording:
            span = self._begun(number)
        else:
            span = trace.INVALID_SPAN
            self.trace_id = self.trace_id or f"{self.new_trace_id():032x}"
        return AttemptTrace(span, self.method, self.metrics, entries, self.batch.campaign_id)

    def _begun(self, number: int) -> Span:
        batch = self.batch
        span = self.tracer.start_span(
            f"{self.service}.{self.method}",
            context=self._context,
            kind=SpanKind.CLIENT,
            attributes={
                **conventions.aws_attributes(self.service, self.method),
                "dialgateway.campaign_id": batch.campaign_id,
                "dialgateway.batch.items": len(batch.entries),
                "dialgateway.batch.flush": batch.flush.value,
                "dialgateway.attempt": number,
            },
            links=[Link(request.get_span_context()) for request in self.spans],
        )
        if not self.trace_id:
            self.trace_id = hex_trace_id(span.get_span_context())
            self._context = trace.set_span_in_context(span, _no_context)
        for request in self.spans:
            request.add_link(span.get_span_context())
            request.add_event("attempt", {"dialgateway.attempt": number})
        return span


@dataclass(frozen=True, slots=True)
class AttemptTrace:
    """The span and the counts of one attempt. Its duration is in seconds. It ends with its `with` block."""

    span: Span
    operation: str = ""
    metrics: Metrics | None = None
    entries: Sequence[Entry] = ()
    campaign_id: str = ""

    def __enter__(self) -> "AttemptTrace":
        return self

    def __exit__(self, *_: object) -> None:
        self.span.end()

    def replied(
        self, request_id: str, accepted: int, failed: Collection[ItemFailure], took_s: float = 0.0
    ) -> None:
        """Note Connect's answer: its request id, how many items it took, and why not the others."""
        self.span.set_attribute("aws.request_id", request_id)
        self.span.set_attribute("dialgateway.items.accepted", accepted)
        self.span.set_attribute("dialgateway.items.failed", len(failed))
        if self.metrics is not None:
            self.metrics.attempt_ended(self.operation, OK, took_s)
            self.metrics.attempt_sent(self.entries)
            self.metrics.counters.accepted(self.campaign_id, accepted)
            self.metrics.counters.throttled_items(failed)

    def failed(self, failure: CallFailure, took_s: float = 0.0) -> None:
        """Note that the call failed, and how."""
        kind = type(failure).__name__
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, kind))
        if self.metrics is not None:
            self.metrics.attempt_ended(self.operation, kind, took_s)
            if failure.attempted:
                self.metrics.attempt_sent(self.entries)
            self.metrics.counters.throttles[THROTTLE_OF_CALL] += isinstance(failure, RateThrottled)


def hex_trace_id(context: SpanContext) -> str:
    """Return the trace id of a span as W3C writes it."""
    return f"{context.trace_id:032x}"
