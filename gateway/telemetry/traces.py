"""Spans, and the telemetry interface for the rest of the gateway.

There is a span for each stream or unary call, a span for each dial request whose context is sampled, and a
CLIENT span for each attempt of a call to Amazon Connect, with links to and from its requests. No phone number
or attribute of a dial request is ever passed to a span.

Without an exporter no span is recorded, but each still gets real ids, which the answers name. Counts go to
`counters` and `metrics`.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.core.campaigns.condition import ConditionChange
from gateway.core.entry_protocols import TraceHandle
from gateway.core.model import Batch, Settled
from gateway.telemetry import rpc_conventions as conventions
from gateway.telemetry.answer_counts import NAMES, count_answers
from gateway.telemetry.call_traces import BatchTrace, hex_trace_id
from gateway.telemetry.counters import Counters
from gateway.telemetry.distributions import Exemplar
from gateway.telemetry.event_export import EventExport, Fields
from gateway.telemetry.final_export import FinalExport, run_for
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observation import Observation

log = logging.getLogger(__name__)

_propagator = TraceContextTextMapPropagator()
_no_context = Context()


SERVICE = "dialgateway.v1.DialRequestService"
ANSWERED, LEFT = "answered", "left"
"""How a call of a service ended: with all its answers, or with its caller gone or cut off before."""


@dataclass(frozen=True, slots=True)
class RpcTrace:
    """The trace of one stream or unary call."""

    span: Span
    context: Context
    trace_id: str
    method: str = ""
    counters: Counters | None = None

    def ended(self, *, taken: int, answered: int, status: conventions.RpcStatus | None = None) -> None:
        """End the span, with the counts of dial requests taken and answered, and gRPC's status if known."""
        if self.counters is not None:
            self.counters.rpcs[self.method, ANSWERED if answered >= taken else LEFT] += 1
        self.span.set_attribute("dialgateway.requests", taken)
        self.span.set_attribute("dialgateway.answers", answered)
        if status is not None:
            self.span.set_attributes(status.attributes())
            if status.is_error:
                self.span.set_status(Status(StatusCode.ERROR, status.name))
        self.span.end()


class Telemetry:
    """Starts spans and ends them, and counts; the rest of the gateway only says what happens.

    Without `metrics` nothing is counted. `push_every_s` is the interval of pushes, if there are push
    exporters. `spans` has, for each exporter of spans, the export of its last ones. `events` exports events.
    """

    def __init__(
        self,
        provider: TracerProvider,
        metrics: Metrics | None = None,
        *,
        recording: bool = True,
        spans: Sequence[FinalExport] = (),
        events: EventExport | None = None,
    ) -> None:
        self.metrics = metrics
        self.push_every_s = 60.0
        self._spans = spans
        self._events = events
        self._counters = metrics.counters if metrics is not None else None
        self._provider = provider
        self._tracer = provider.get_tracer("dialgateway")
        self._recording = recording

    def rpc_started(self, method: str, metadata: Iterable[tuple[str, Any]]) -> RpcTrace:
        """Start the span of a stream or unary call, in the trace of the caller's metadata if any."""
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        span = self._tracer.start_span(
            f"{SERVICE}/{method}",
            context=_propagator.extract(carrier, context=_no_context),
            kind=SpanKind.SERVER,
            attributes=conventions.server_attributes(SERVICE, method),
        )
        context = trace.set_span_in_context(span, _no_context)
        return RpcTrace(span, context, hex_trace_id(span.get_span_context()), method, self._counters)

    def received(self, campaign_id: str, caller: str, count: int) -> None:
        """Note that so many dial requests of a caller were read for a campaign."""
        if self._counters is not None:
            self._counters.received(campaign_id, caller, count)

    def request(
        self, rpc: RpcTrace, traceparent: str, campaign_id: str, token: str
    ) -> tuple[str, Span | None]:
        """Return the trace id of a dial request, and its span if its context is sampled.

        Its context is its `traceparent`, or the context of its stream if that is missing or malformed.
        """
        own = self._own_context(traceparent) if traceparent else None
        if own is None and not (self._recording and rpc.span.is_recording()):
            return rpc.trace_id, None
        parent = trace.get_current_span(own).get_span_context() if own is not None else None
        if parent is not None and not (self._recording and parent.trace_flags.sampled):
            return hex_trace_id(parent), None
        span = self._tracer.start_span(
            "dial request",
            context=own if own is not None else rpc.context,
            kind=SpanKind.INTERNAL,
            attributes={
                "dialgateway.campaign_id": campaign_id[:256],
                "dialgateway.client_token": token[:200],
            },
            links=() if own is None else (Link(rpc.span.get_span_context()),),
        )
        return hex_trace_id(span.get_span_context()), span if span.is_recording() else None

    def queued(self, span: TraceHandle | None) -> None:
        """Note on a request's span that it was taken and waits."""
        if span is not None:
            _span(span).add_event("queued")

    def batch(
        self, batch: Batch, service: str = "ConnectCampaigns", method: str = "PutDialRequestBatch"
    ) -> BatchTrace:
        """Note on the requests' spans that they left in a batch; return its trace.

        `service` and `method` name the call, as AWS has it.
        """
        if self.metrics is not None:
            self.metrics.batch_formed(len(batch.entries), batch.flush)
        waiters = (w for entry in batch.entries for w in entry.waiters) if self._recording else ()
        spans = [_span(waiter.span) for waiter in waiters if waiter.span is not None]
        for span in spans:
            span.add_event("sealed", {"batch.items": len(batch.entries), "batch.flush": batch.flush.value})
        new_trace_id = self._provider.id_generator.generate_trace_id
        return BatchTrace(
            self._tracer, batch, spans, service, method, new_trace_id, self.metrics, self._recording
        )

    def answered(self, now: float, answers: Sequence[Settled]) -> None:
        """Count answers that were decided at `now`, on the gateway's clock, and end their requests' spans."""
        if self._counters is not None:
            count_answers(self._counters, now, answers)
        if not self._recording:
            return
        for settled in answers:
            if settled.waiter.span is not None:
                self._end(now, settled, _span(settled.waiter.span))

    def _end(self, now: float, settled: Settled, span: Span) -> None:
        """End the span of a request, which becomes an exemplar of how long requests take."""
        answer = settled.answer
        attributes: dict[str, str | int | bool] = {
            "dialgateway.outcome": answer.outcome.name,
            "dialgateway.reason": answer.reason.name,
            "dialgateway.attempts": answer.attempts,
            "dialgateway.replayed": answer.replayed,
        }
        span.add_event("settled", attributes)
        span.set_attributes(attributes)
        span.end()
        if self._counters is not None:
            context, took_s = span.get_span_context(), max(0.0, now - settled.waiter.read_at)
            exemplar = Exemplar(took_s, time.time_ns(), context.trace_id, context.span_id)
            self._counters.request_duration.of(NAMES[answer.outcome]).illustrate(exemplar)

    def dropped(self, span: TraceHandle | None) -> None:
        """End the span of a request whose caller is gone."""
        if span is not None:
            ended = _span(span)
            ended.add_event("dropped")
            ended.end()

    def dropped_unsent(self, dropped: int) -> None:
        """Note that so many dial requests were dropped unsent, since their caller is gone."""
        if self._counters is not None:
            self._counters.dropped += dropped

    def retries(self, count: int, *, granted: bool) -> None:
        """Note that so many further attempts of calls were granted, or denied."""
        if self._counters is not None:
            self._counters.retries["granted" if granted else "denied"] += count

    def changed(self, change: ConditionChange) -> None:
        """Note that a campaign was made to cool or parked, or flows again.

        In a fleet, only the replica that has found it counts it.
        """
        if self._counters is not None and change.condition is not None and not change.elsewhere:
            self._counters.changed(change.campaign_id, change.condition.value)

    def refused(self, caller: str, refusal: str, number: int) -> None:
        """Note that a caller was refused something, so many times."""
        if self._counters is not None:
            self._counters.refused(caller, refusal, number)

    def state_asked(self, operation: str, took_s: float, failure: str | None) -> None:
        """Note an operation of the shared state, and the kind of its failure, if it failed."""
        if self.metrics is not None:
            self.metrics.state_asked(operation, took_s, failure)

    def event(self, name: str, text: str, fields: Fields) -> None:
        """Export an event as a log record, if there is an exporter of those. It has no personal data."""
        if self._events is not None:
            self._events.emit(name, text, fields)

    def shutdown(self, timeout_s: float, last: Observation | None = None) -> None:
        """Export the remaining spans and events, and the `last` figures if given, within `timeout_s` seconds.

        They are exported side by side. If the collector does not answer, it takes a second.
        """
        pushes = self.metrics.last_pushes(last) if self.metrics is not None else ()
        works = [*self._spans, *self._last_events, *pushes]
        left_over = run_for(works, timeout_s)
        if left_over:
            log.warning("the last %s could not be exported", " and ".join(dict.fromkeys(left_over)))

    @property
    def lost(self) -> dict[str, int]:
        """How many spans, pushes of metrics, and events could not be exported."""
        return {
            "spans": _lost(self._spans),
            "metrics": self.metrics.lost if self.metrics is not None else 0,
            "events": _lost(self._last_events),
        }

    @property
    def _last_events(self) -> Sequence[FinalExport]:
        return self._events.last if self._events is not None else ()

    def _own_context(self, traceparent: str) -> Context | None:
        context = _propagator.extract({"traceparent": traceparent}, context=_no_context)
        return context if trace.get_current_span(context).get_span_context().is_valid else None


def _lost(works: Iterable[FinalExport]) -> int:
    return sum(work.results.lost for work in works if work.results is not None)


def _span(handle: TraceHandle) -> Span:
    """Return the span behind a handle that the core gives back: `Telemetry.request` made it."""
    return cast(Span, handle)
