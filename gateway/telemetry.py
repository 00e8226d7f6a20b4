"""Traces: the only importer of opentelemetry.

A span for each stream or unary call, a span for each dial request whose context is sampled, and a
CLIENT span for each attempt of a call to Amazon Connect, linked with its requests both ways. No
phone number and no attribute of a dial request is ever handed to a span.

Exporters come from the standard `OTEL_*` variables. Where none is configured no span is recorded,
but each still gets real ids, which the answers name.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.core.errors import CallFailure
from gateway.core.model import Batch, Settled

log = logging.getLogger(__name__)

OTEL_TRACES_EXPORTER = "OTEL_TRACES_EXPORTER"
__all__ = ["ReadableSpan", "SpanMemory", "Telemetry", "TelemetryError", "telemetry_from", "telemetry_with"]

SERVICE_NAME = "dial-gateway"
_propagator = TraceContextTextMapPropagator()
_no_context = Context()


class TelemetryError(ValueError):
    """A telemetry variable has a value that cannot be used; the text names it."""


@dataclass(frozen=True, slots=True)
class RpcTrace:
    """The trace of one stream or unary call."""

    span: Span
    context: Context
    trace_id: str

    def ended(self, *, taken: int, answered: int, error: str | None = None) -> None:
        """End the span, with how many dial requests were taken and answered."""
        self.span.set_attribute("dialgateway.requests", taken)
        self.span.set_attribute("dialgateway.answers", answered)
        if error is not None:
            self.span.set_status(Status(StatusCode.ERROR, error))
        self.span.end()


class Telemetry:
    """Starts spans and ends them; the rest of the gateway only says what happens."""

    def __init__(self, provider: TracerProvider, *, recording: bool = True) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("dialgateway")
        self._recording = recording

    def rpc_started(self, method: str, metadata: Iterable[tuple[str, Any]]) -> RpcTrace:
        """Start the span of a stream or unary call, in the trace of the caller's metadata if any."""
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        span = self._tracer.start_span(
            f"dialgateway.v1.DialRequestService/{method}",
            context=_propagator.extract(carrier, context=_no_context),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": "dialgateway.v1.DialRequestService",
                "rpc.method": method,
            },
        )
        return RpcTrace(span, trace.set_span_in_context(span, _no_context), _hex(span.get_span_context()))

    def request(
        self, rpc: RpcTrace, traceparent: str, campaign_id: str, token: str
    ) -> tuple[str, Span | None]:
        """Return the trace id of a dial request, and its span where its context is sampled.

        Its context is its own `traceparent`, or that of its stream where it has none or a malformed one.
        """
        own = self._own_context(traceparent) if traceparent else None
        if own is None and not (self._recording and rpc.span.is_recording()):
            return rpc.trace_id, None
        parent = trace.get_current_span(own).get_span_context() if own is not None else None
        if parent is not None and not (self._recording and parent.trace_flags.sampled):
            return _hex(parent), None
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
        return _hex(span.get_span_context()), span if span.is_recording() else None

    def queued(self, span: Span | None) -> None:
        """Note on a request's span that it was taken and waits."""
        if span is not None:
            span.add_event("queued")

    def batch(
        self, batch: Batch, service: str = "ConnectCampaigns", method: str = "PutDialRequestBatch"
    ) -> "BatchTrace":
        """Note on the requests' spans that they left in a batch; return its trace.

        `service` and `method` name the call, as AWS has it.
        """
        spans = [w.span for entry in batch.entries for w in entry.waiters if w.span is not None]
        for span in spans:
            span.add_event("sealed", {"batch.items": len(batch.entries), "batch.flush": batch.flush.value})
        return BatchTrace(self._tracer, batch, spans, service, method)

    def settled(self, settled: Settled) -> None:
        """End a request's span with its answer."""
        span, answer = settled.waiter.span, settled.answer
        if span is None:
            return
        attributes = {
            "dialgateway.outcome": answer.outcome.name,
            "dialgateway.reason": answer.reason.name,
            "dialgateway.attempts": answer.attempts,
            "dialgateway.replayed": answer.replayed,
        }
        span.add_event("settled", attributes)
        span.set_attributes(attributes)
        span.end()

    def dropped(self, span: Span | None) -> None:
        """End the span of a request whose caller is gone."""
        if span is not None:
            span.add_event("dropped")
            span.end()

    def shutdown(self, timeout_s: float) -> None:
        """Export what is left, for `timeout_s` seconds at most."""
        # An exporter that cannot reach its collector takes its own time; it gets ours.
        exporting = threading.Thread(target=self._provider.shutdown, daemon=True)
        exporting.start()
        exporting.join(timeout_s)
        if exporting.is_alive():
            log.warning("spans could not be exported within %.1f s of leaving", timeout_s)

    def _own_context(self, traceparent: str) -> Context | None:
        context = _propagator.extract({"traceparent": traceparent}, context=_no_context)
        return context if trace.get_current_span(context).get_span_context().is_valid else None


@dataclass(slots=True)
class BatchTrace:
    """The trace of one batch: a CLIENT span per attempt, all in the trace of the first."""

    tracer: trace.Tracer
    batch: Batch
    spans: list[Span]
    service: str
    method: str
    trace_id: str = ""
    _context: Context = field(default_factory=Context)

    @contextmanager
    def attempt(self, number: int) -> Iterator["AttemptTrace"]:
        """Span over one attempt of the call, linked with the spans of its requests both ways."""
        batch = self.batch
        span = self.tracer.start_span(
            f"{self.service}.{self.method}",
            context=self._context,
            kind=SpanKind.CLIENT,
            attributes={
                "rpc.system": "aws-api",
                "rpc.service": self.service,
                "rpc.method": self.method,
                "dialgateway.campaign_id": batch.campaign_id,
                "dialgateway.batch.items": len(batch.entries),
                "dialgateway.batch.flush": batch.flush.value,
                "dialgateway.attempt": number,
            },
            links=[Link(request.get_span_context()) for request in self.spans],
        )
        if not self.trace_id:
            self.trace_id = _hex(span.get_span_context())
            self._context = trace.set_span_in_context(span, _no_context)
        for request in self.spans:
            request.add_link(span.get_span_context())
            request.add_event("attempt", {"dialgateway.attempt": number})
        try:
            yield AttemptTrace(span)
        finally:
            span.end()


@dataclass(frozen=True, slots=True)
class AttemptTrace:
    """The span of one attempt."""

    span: Span

    def replied(self, request_id: str, accepted: int, failed: int) -> None:
        """Note Connect's answer: its request id and the numbers of items."""
        self.span.set_attribute("aws.request_id", request_id)
        self.span.set_attribute("dialgateway.items.accepted", accepted)
        self.span.set_attribute("dialgateway.items.failed", failed)

    def failed(self, failure: CallFailure) -> None:
        """Note that the call failed, and how."""
        kind = type(failure).__name__
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, kind))


def _hex(context: SpanContext) -> str:
    return f"{context.trace_id:032x}"


def telemetry_from(environment: Mapping[str, str]) -> Telemetry:
    """Return the telemetry that the `OTEL_*` variables ask for; raises `TelemetryError`."""
    names = _exporter_names(environment)
    try:
        return telemetry_with(*[BatchSpanProcessor(_exporter(name, environment)) for name in names])
    except TelemetryError:
        raise
    except Exception as error:  # the library refuses wrong values with exceptions of many types
        raise TelemetryError(f"OTEL_*: {error}") from error


def telemetry_with(*processors: SpanProcessor) -> Telemetry:
    """Return telemetry that hands its spans to `processors`; with none it records nothing."""
    resource = Resource.create()  # from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    provider = TracerProvider(
        resource=resource, sampler=None if processors else ALWAYS_OFF, shutdown_on_exit=False
    )
    for processor in processors:
        provider.add_span_processor(processor)
    return Telemetry(provider, recording=bool(processors))


class SpanMemory(SpanProcessor):
    """Keeps the spans that have ended, for whoever wants to show them in this process."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        self.spans.append(span)


def _exporter_names(environment: Mapping[str, str]) -> list[str]:
    if environment.get(OTEL_SDK_DISABLED, "").strip().lower() == "true":
        return []
    names = environment.get(OTEL_TRACES_EXPORTER, "").strip()
    if not names:
        endpoints = (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT)
        names = "otlp" if any(environment.get(name) for name in endpoints) else "none"
    return [name.strip() for name in names.split(",") if name.strip() != "none"]


def _exporter(name: str, environment: Mapping[str, str]) -> SpanExporter:
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise TelemetryError(f"{OTEL_TRACES_EXPORTER}: must be of otlp, console, none; got {name!r}")
    protocol = environment.get(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL) or environment.get(
        OTEL_EXPORTER_OTLP_PROTOCOL
    )
    if protocol in {None, "", "grpc"}:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

        return OverHttp()
    raise TelemetryError(f"{OTEL_EXPORTER_OTLP_PROTOCOL}: must be grpc or http/protobuf; got {protocol!r}")
