"""Puts telemetry together, as the standard `OTEL_*` variables ask for it."""

import os
from collections.abc import Mapping, Sequence

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from gateway.telemetry import exporters
from gateway.telemetry.event_export import EventExport
from gateway.telemetry.export_watch import ExportResults, WatchedSpans, hear_all, listen
from gateway.telemetry.exporters import TelemetryError
from gateway.telemetry.final_export import FinalExport
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.process_metrics import gateway_version
from gateway.telemetry.traces import Telemetry
from gateway.telemetry.trail_export import TrailExport

SERVICE_NAME = "dial-gateway"
CAMPAIGN_LIMIT, CALLER_LIMIT = 1000, 200
"""The default numbers of campaigns and of callers with their own labels."""


def telemetry_from(
    environment: Mapping[str, str], campaign_limit: int = CAMPAIGN_LIMIT, caller_limit: int = CALLER_LIMIT
) -> Telemetry:
    """Return the telemetry that the `OTEL_*` variables ask for; raises `TelemetryError`.

    Empty variables are removed from the environment of this process, where the library reads them.
    """
    exporters.unset_empty(os.environ)
    try:
        listen()
        telemetry = telemetry_with(
            span_exporters=exporters.span_exporters(environment),
            metrics=not exporters.disabled(environment),
            metric_exporters=exporters.metric_exporters(environment),
            event_exporters=exporters.event_exporters(environment),
            campaign_limit=campaign_limit,
            caller_limit=caller_limit,
        )
        telemetry.push_every_s = exporters.push_interval_s(environment)
        hear_all()
    except TelemetryError:
        raise
    except Exception as error:  # the library refuses wrong values with exceptions of many types
        raise TelemetryError(f"OTEL_*: {error}") from error
    return telemetry


def telemetry_with(
    *processors: SpanProcessor,
    span_exporters: Sequence[SpanExporter] = (),
    metrics: bool = True,
    metric_exporters: Sequence[MetricExporter] = (),
    event_exporters: Sequence[LogRecordExporter] = (),
    campaign_limit: int = CAMPAIGN_LIMIT,
    caller_limit: int = CALLER_LIMIT,
) -> Telemetry:
    """Return telemetry that hands its spans to `processors` and `span_exporters`; with none it records none.

    With `metrics` it counts, and hands the figures to `metric_exporters` as well as to readers of `/metrics`.
    Events go to `event_exporters`.
    """
    resource = _resource()
    ends = [(processor, FinalExport("spans", processor.shutdown)) for processor in processors]
    ends += [_exporting(exporter) for exporter in span_exporters]
    provider = TracerProvider(resource=resource, sampler=None if ends else ALWAYS_OFF, shutdown_on_exit=False)
    for processor, _ in ends:
        provider.add_span_processor(processor)
    counted = Metrics(campaign_limit, resource, metric_exporters, caller_limit) if metrics else None
    events = EventExport(event_exporters, resource) if event_exporters else None
    return Telemetry(provider, counted, recording=bool(ends), spans=[end for _, end in ends], events=events)


def trail_export_from(environment: Mapping[str, str]) -> TrailExport | None:
    """Return what exports the guard's audit trail as log records; None if no exporter of those is asked for.

    Raises `TelemetryError`.
    """
    found = exporters.event_exporters(environment)
    return TrailExport(found, _resource()) if found else None


def _resource() -> Resource:
    """Return name and version of this process, as far as the `OTEL_*` variables do not say otherwise."""
    resource = Resource.create()  # from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    return Resource({"service.version": gateway_version()}).merge(resource)


def _exporting(exporter: SpanExporter) -> tuple[SpanProcessor, FinalExport]:
    """Return the batch processor for an exporter of spans, and the export of its last spans."""
    results = ExportResults("spans")
    processor = BatchSpanProcessor(WatchedSpans(exporter, results))
    return processor, FinalExport("spans", processor.shutdown, results)


class SpanMemory(SpanProcessor):
    """Keeps ended spans in memory, to show them in this process."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        self.spans.append(span)
