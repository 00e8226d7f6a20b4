"""Metrics as rows of plain values, which become Prometheus' text or OpenTelemetry's data model.

A row takes a tenth of the time of a data point of the SDK, and there are thousands with many campaigns and
callers. Unlike the SDK's storage, a row leaves nothing behind when its campaign or caller is forgotten.
"""

from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry.sdk.metrics import Exemplar as OpenTelemetryExemplar
from opentelemetry.sdk.metrics import export as otel

from gateway.telemetry.distributions import Distribution, Labels
from gateway.telemetry.metric_definitions import Metric

Row = tuple[Labels, float, int]
"""Label values, in the order of `Metric.labels`; the value; and since when, in nanoseconds since the epoch.

Since when is 0 if it is not known, and for a gauge.
"""


class Numbers(NamedTuple):
    """A counter or a gauge, with a row for each set of labels."""

    metric: Metric
    rows: Sequence[Row]
    counter: bool = False


class Histogram(NamedTuple):
    """A histogram, with a distribution for each set of labels."""

    metric: Metric
    rows: Sequence[tuple[Labels, Distribution]]


Family = Numbers | Histogram


def as_opentelemetry(family: Family, began_ns: int, now_ns: int) -> otel.Metric:
    """Return a family in OpenTelemetry's data model. Histograms count since `began_ns`.

    Both are in nanoseconds since the epoch. Sums and histograms are cumulative, and say so.
    """
    metric = family.metric
    if isinstance(family, Histogram):
        data: otel.DataT = _histogram(family, began_ns, now_ns)
    else:
        points = [
            otel.NumberDataPoint(dict(zip(metric.labels, labels, strict=True)), since_ns, now_ns, value, ())
            for labels, value, since_ns in family.rows
        ]
        cumulative = otel.AggregationTemporality.CUMULATIVE
        data = otel.Sum(points, cumulative, is_monotonic=True) if family.counter else otel.Gauge(points)
    return otel.Metric(metric.name, metric.description, metric.unit, data)


def _histogram(family: Histogram, began_ns: int, now_ns: int) -> otel.Histogram:
    points = [
        otel.HistogramDataPoint(
            attributes=dict(zip(family.metric.labels, labels, strict=True)),
            start_time_unix_nano=began_ns,
            time_unix_nano=now_ns,
            count=found.count,
            sum=found.sum,
            bucket_counts=found.buckets,
            explicit_bounds=found.bounds,
            min=found.least,
            max=found.largest,
            exemplars=[
                OpenTelemetryExemplar({}, one.value, one.at_ns, one.span_id, one.trace_id)
                for one in found.exemplars.values()
            ],
        )
        for labels, found in family.rows
        if found.count
    ]
    return otel.Histogram(points, otel.AggregationTemporality.CUMULATIVE)
