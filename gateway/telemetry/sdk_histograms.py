"""Histograms of OpenTelemetry's SDK, for exporters that want deltas or exponential buckets.

The gateway's own distributions are cumulative and have fixed bounds, as most exporters want. Only if a
standard variable asks for anything else does the SDK record each value as well, at its higher cost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricsData
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    ExplicitBucketHistogramAggregation,
)

from gateway.telemetry import fleet_metrics
from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.families import Family
from gateway.telemetry.metric_definitions import Metric

RECORDED = (
    definitions.BATCH_SIZE,
    definitions.TIME_LEFT,
    definitions.CALL_DURATION,
    definitions.LOOP_LAG,
    fleet_metrics.STATE_DURATION,
)
"""Histograms of which a value is recorded for each call at most. The one of each dial request is not among
them: it stays cumulative, and its points say so."""
_NAMES = frozenset(metric.name for metric in RECORDED)


class SdkHistograms:
    """The instruments, which exist only if one of the exporters wants them."""

    def __init__(self, meter: Meter, exporters: Iterable[MetricExporter]) -> None:
        self._wanted_by = [exporter for exporter in exporters if _wants(exporter)]
        self.used = bool(self._wanted_by)
        made = RECORDED if self.used else ()
        self._instruments = {metric: _instrument(meter, metric) for metric in made}

    def record(self, metric: Metric, value: float, labels: Sequence[str]) -> None:
        """Record a value."""
        self._instruments[metric].record(value, dict(zip(metric.labels, labels, strict=True)))

    def lacking(self, families: Iterable[Family], exporter: MetricExporter | None) -> list[Family]:
        """Return the families that the SDK does not export to an exporter."""
        wanted = exporter in self._wanted_by
        return [family for family in families if not (wanted and family.metric.name in _NAMES)]

    def without_unwanted(
        self, data: MetricsData | None, exporter: MetricExporter | None
    ) -> MetricsData | None:
        """Return what the SDK has collected, without its histograms if the reader has the gateway's own."""
        if data is None or not self.used or exporter in self._wanted_by:
            return data
        return MetricsData(
            [
                replace(
                    resource,
                    scope_metrics=[
                        replace(scope, metrics=[one for one in scope.metrics if one.name not in _NAMES])
                        for scope in resource.scope_metrics
                    ],
                )
                for resource in data.resource_metrics
            ]
        )


def _wants(exporter: MetricExporter) -> bool:
    """Whether an exporter wants histograms that are not cumulative, or have other buckets than ours."""
    cumulative = AggregationTemporality.CUMULATIVE
    temporality = (exporter._preferred_temporality or {}).get(sdk.Histogram, cumulative)
    aggregation = (exporter._preferred_aggregation or {}).get(sdk.Histogram, DefaultAggregation())
    plain = isinstance(aggregation, (DefaultAggregation, ExplicitBucketHistogramAggregation))
    return temporality is not cumulative or not plain


def _instrument(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.bounds
    )
