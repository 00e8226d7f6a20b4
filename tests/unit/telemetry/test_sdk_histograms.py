"""Histograms as exporters want them: cumulative with the gateway's bounds, or by the SDK."""

import random
from typing import Any

import pytest
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric, MetricsData
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource

from gateway.core.engine import Engine, Limits
from gateway.core.model import FlushReason, Outcome
from gateway.telemetry import Metrics, Observation, StreamFigures
from gateway.telemetry.distributions import Exemplar
from tests.unit.core.making import census_of
from tests.unit.telemetry.exporters import KeepingExporter

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
SIZE, DURATION = "dial_gateway.batch.size", "dial_gateway.request.duration"


def exporter(
    temporality: AggregationTemporality = CUMULATIVE, aggregation: Aggregation | None = None
) -> KeepingExporter:
    return KeepingExporter(
        preferred_temporality={sdk.Histogram: temporality},
        preferred_aggregation={} if aggregation is None else {sdk.Histogram: aggregation},
    )


def observed(metrics: Metrics) -> Observation:
    snapshot = census_of(Engine(Limits(), random.Random(1)), 0.0)
    return Observation(7, snapshot, StreamFigures(), metrics.counters.counts())


def named(data: MetricsData, name: str) -> Metric:
    """Return the only metric of this name."""
    (resource,) = data.resource_metrics
    (found,) = [one for scope in resource.scope_metrics for one in scope.metrics if one.name == name]
    return found


def pushed(metrics: Metrics, to: KeepingExporter) -> MetricsData:
    metrics.push(observed(metrics))
    return to.exported[-1]


def only_point(metric: Metric) -> Any:
    (point,) = metric.data.data_points
    return point


def test_a_cumulative_exporter_gets_the_gateways_own_distributions() -> None:
    """Buckets, bounds, sum, extremes and exemplars are exported in OpenTelemetry's data model."""
    to = exporter()
    metrics = Metrics(1, Resource({}), [to])
    for size in (25, 25, 3):
        metrics.batch_formed(size, FlushReason.FULL)
    found = named(pushed(metrics, to), SIZE)
    point = only_point(found)
    assert found.data.aggregation_temporality is CUMULATIVE  # type: ignore[union-attr]
    assert point.attributes == {"flush": "full"}
    assert (point.count, point.sum, point.min, point.max) == (3, 53, 3, 25)
    assert dict(zip(point.explicit_bounds, point.bucket_counts, strict=False))[25] == 2
    assert point.start_time_unix_nano > 0
    assert point.time_unix_nano == 7


def test_exemplars_are_pushed() -> None:
    """A pushed histogram has the trace of a request, and outcomes without a request are left out."""
    to = exporter()
    metrics = Metrics(1, Resource({}), [to])
    durations = metrics.counters.request_duration.of(Outcome.ACCEPTED.name)
    durations.add(0.3)
    durations.illustrate(Exemplar(0.3, 5, 0xABC, 0xDEF))
    point = only_point(named(pushed(metrics, to), DURATION))
    (exemplar,) = point.exemplars
    assert point.attributes == {"outcome": "ACCEPTED"}
    assert (exemplar.trace_id, exemplar.span_id, exemplar.value) == (0xABC, 0xDEF, 0.3)


@pytest.mark.parametrize("other", [None, exporter()])
def test_an_exporter_of_deltas_gets_deltas(other: KeepingExporter | None) -> None:
    """It gets what was added since the push before, whatever other readers want."""
    to = exporter(DELTA)
    metrics = Metrics(1, Resource({}), [to] if other is None else [to, other])
    metrics.batch_formed(25, FlushReason.FULL)
    assert only_point(named(pushed(metrics, to), SIZE)).count == 1
    metrics.batch_formed(25, FlushReason.FULL)
    found = named(pushed(metrics, to), SIZE)
    assert found.data.aggregation_temporality is DELTA  # type: ignore[union-attr]
    assert only_point(found).count == 1
    if other is not None:
        assert only_point(named(other.exported[-1], SIZE)).count == 2
    assert 'dial_gateway_batch_size_count{flush="full"} 2' in metrics.text(observed(metrics))
    assert metrics.text(observed(metrics)).count("# TYPE dial_gateway_batch_size ") == 1


def test_an_exporter_of_exponential_buckets_gets_them() -> None:
    """The standard variable for exponential histograms is honored."""
    to = exporter(aggregation=ExponentialBucketHistogramAggregation())
    metrics = Metrics(1, Resource({}), [to])
    metrics.attempt_ended("PutDialRequestBatch", "ok", 0.2)
    point = only_point(named(pushed(metrics, to), "dial_gateway.connect.call.duration"))
    assert hasattr(point, "scale")
    assert point.sum == 0.2
