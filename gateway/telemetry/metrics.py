"""Metrics by OpenTelemetry's API: scraped as Prometheus' text, pushed by OTLP where configured.

What the event loop knows is handed over as an `Observation`, taken on the loop; all the rest may
happen in another thread. The figures of single campaigns do not pass the SDK's storage, which never
forgets a set of labels: they are added to what it has collected, as a producer of its specification.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from opentelemetry.metrics import CallbackOptions, Histogram
from opentelemetry.metrics import Observation as Observed
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricReader,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource

from gateway.core.model import FlushReason
from gateway.core.views.snapshot import Snapshot
from gateway.telemetry import fleet_metrics
from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.campaign_metrics import campaign_metrics
from gateway.telemetry.counters import Counters, Counts
from gateway.telemetry.export_watch import ExportResults, MetricPusher
from gateway.telemetry.final_export import LONGEST_S, FinalExport, run_all
from gateway.telemetry.fleet_metrics import FleetFigures
from gateway.telemetry.prometheus_text import prometheus_text

SCOPE = "dialgateway"
Values = Iterable[tuple[float, dict[str, str]]]


class StreamFigures(NamedTuple):
    """The open streams: how many, the largest share of a window in use, and how many lack what."""

    open: int = 0
    window_use: float = 0.0
    lack_window: int = 0
    lack_room: int = 0


class FileFigures(NamedTuple):
    """When the certificate ends, in seconds since the epoch, and the changes of files that were refused."""

    certificate_ends_at: float | None = None
    refused: dict[str, int] = {}  # noqa: RUF012 - never changed


class Observation(NamedTuple):
    """What the event loop knows at one instant; `now_ns` is in nanoseconds since the epoch."""

    now_ns: int
    snapshot: Snapshot
    streams: StreamFigures
    counts: Counts
    drain_elapsed_s: float = 0.0
    failing_s: float = 0.0
    ready: bool = True
    files: FileFigures = FileFigures()
    log_dropped: dict[str, int] = {}  # noqa: RUF012 - never changed
    telemetry_lost: dict[str, int] = {}  # noqa: RUF012 - never changed
    admin_closed: dict[str, int] = {}  # noqa: RUF012 - never changed
    clock_behind_s: float = 0.0
    fleet: FleetFigures | None = None


class Metrics:
    """All instruments, and who reads them."""

    def __init__(
        self, campaign_limit: int, resource: Resource, exporters: Sequence[MetricExporter] = ()
    ) -> None:
        self.counters = Counters(campaign_limit)
        self._seen: Observation | None = None
        self._lock = threading.Lock()
        self._scraper = _Collector()
        # Each exporter has its own reader, since it may want deltas. The SDK's periodic reader collects in
        # its own thread, but only the event loop may read the figures.
        self._pushers = [
            (_Collector(exporter), MetricPusher(exporter, ExportResults("metrics"))) for exporter in exporters
        ]
        self._provider = MeterProvider(
            [self._scraper, *(reader for reader, _ in self._pushers)],
            resource=resource,
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )
        self._batch_size = self._histogram(definitions.BATCH_SIZE)
        self._time_left = self._histogram(definitions.TIME_LEFT)
        self._duration = self._histogram(definitions.CALL_DURATION)
        self._loop_lag = self._histogram(definitions.LOOP_LAG)
        self._state_duration = self._histogram(fleet_metrics.STATE_DURATION)
        self._observe_gauges()
        self._observe_counters()
        self._observe_fleet()

    @property
    def pushes(self) -> bool:
        """Whether metrics are pushed."""
        return bool(self._pushers)

    # --- what happens ------------------------------------------------------------------------------

    def batch_formed(self, size: int, flush: FlushReason) -> None:
        """Note a call that was formed."""
        self._batch_size.record(size, {"flush": flush.value})

    def attempt_begun(self, time_left_s: float) -> None:
        """Note an attempt of a call, and how much time its most urgent dial request has left."""
        self._time_left.record(max(0.0, time_left_s))

    def attempt_ended(self, operation: str, result: str, took_s: float) -> None:
        """Note how an attempt ended, and how long it took."""
        self.counters.calls[operation, result] += 1
        self._duration.record(max(0.0, took_s), {"operation": operation, "result": result})

    def loop_lagged(self, lag_s: float) -> None:
        """Note how late the event loop woke a sleeper."""
        self._loop_lag.record(max(0.0, lag_s))

    def state_asked(self, operation: str, took_s: float, failure: str | None) -> None:
        """Note an operation of the shared state, and the kind of its failure, if it failed."""
        self._state_duration.record(max(0.0, took_s), {"operation": operation})
        if failure is not None:
            self.counters.state_errors[operation, failure] += 1

    # --- who reads ---------------------------------------------------------------------------------

    def text(self, observation: Observation) -> str:
        """Return all metrics as Prometheus reads them. Thread-safe; does not wait for exports."""
        return prometheus_text(self._collected(self._scraper, observation))

    def push(self, observation: Observation) -> None:
        """Export all metrics to every push exporter; takes as long as the slowest. Thread-safe."""
        run_all(self._pushes(observation))

    def last_pushes(self, observation: Observation | None) -> list[FinalExport]:
        """Return the exports for the last metrics, if any, which also shut the exporters down."""

        def end(reader: _Collector, pusher: MetricPusher) -> None:
            if observation is not None:
                pusher.push(partial(self._collected, reader, observation), LONGEST_S)
            pusher.exporter.shutdown()

        return [
            FinalExport("metrics", partial(end, reader, pusher), pusher.results)
            for reader, pusher in self._pushers
        ]

    @property
    def lost(self) -> int:
        """How many pushes have failed."""
        return sum(pusher.results.lost for _, pusher in self._pushers)

    def _pushes(self, observation: Observation) -> list[FinalExport]:
        return [
            FinalExport("metrics", partial(pusher.push, partial(self._collected, reader, observation), 0.0))
            for reader, pusher in self._pushers
        ]

    # --- how ---------------------------------------------------------------------------------------

    def _collected(self, reader: "_Collector", observation: Observation) -> MetricsData | None:
        """Collect an observation, with the figures of the campaigns, by a reader."""
        with self._lock:
            self._seen = observation
            reader.collect()
            data = reader.data
        return None if data is None else _completed(data, observation)

    def _histogram(self, metric: definitions.Metric) -> Histogram:
        return self._provider.get_meter(SCOPE).create_histogram(
            metric.name,
            metric.unit,
            metric.description,
            explicit_bucket_boundaries_advisory=metric.bounds,
        )

    def _observe_gauges(self) -> None:
        self._gauge(definitions.CAMPAIGNS, lambda seen: _one(len(seen.counts.campaigns) - 1))
        self._gauge(definitions.HELD, lambda seen: _one(seen.snapshot.outstanding))
        self._gauge(definitions.HELD_SIZE, lambda seen: _one(seen.snapshot.outstanding_bytes))
        self._gauge(definitions.TOKENS, lambda seen: _one(seen.snapshot.remembered))
        self._gauge(definitions.STREAMS, lambda seen: _one(seen.streams.open))
        self._gauge(definitions.WINDOW_USE, lambda seen: _one(seen.streams.window_use))
        self._gauge(definitions.BLOCKED, _blocked)
        self._gauge(definitions.READY, lambda seen: _one(int(seen.ready)))
        self._gauge(definitions.DRAINING, lambda seen: _one(int(seen.snapshot.draining)))
        self._gauge(definitions.DRAIN_ELAPSED, lambda seen: _one(seen.drain_elapsed_s))
        self._gauge(definitions.CALLS_IN_FLIGHT, lambda seen: _one(seen.snapshot.calls_in_flight))
        self._gauge(definitions.FAILING, lambda seen: _one(seen.failing_s))
        self._gauge(definitions.CLOCK_BEHIND, lambda seen: _one(seen.clock_behind_s))
        self._gauge(definitions.RATE_CEILING, lambda seen: _one(seen.snapshot.call_rate_ceiling))
        self._gauge(definitions.CERTIFICATE_ENDS, _certificate_ends)
        self._gauge(definitions.RATE_NOW, lambda seen: _one(seen.snapshot.call_rate))

    def _observe_counters(self) -> None:
        self._counter(definitions.DROPPED, lambda seen: _one(seen.counts.dropped))
        self._counter(definitions.REPLAYED, lambda seen: _one(seen.counts.replayed))
        self._counter(definitions.JOINED, lambda seen: _one(seen.snapshot.joined))
        self._counter(definitions.FORGOTTEN, lambda seen: _one(seen.snapshot.forgotten_early))
        self._counter(definitions.CALLS, lambda seen: _by(("operation", "result"), seen.counts.calls))
        self._counter(definitions.RPCS, lambda seen: _by(("method", "ending"), seen.counts.rpcs))
        self._counter(definitions.REFUSED, lambda seen: _by(("caller", "refusal"), seen.counts.refusals))
        self._counter(definitions.FILES_REFUSED, lambda seen: _each("file", seen.files.refused))
        self._counter(definitions.LOG_DROPPED, lambda seen: _each("why", seen.log_dropped))
        self._counter(definitions.TELEMETRY_LOST, lambda seen: _each("what", seen.telemetry_lost))
        self._counter(definitions.ADMIN_CLOSED, lambda seen: _each("why", seen.admin_closed))
        self._counter(definitions.THROTTLES, lambda seen: _each("kind", seen.counts.throttles))
        self._counter(definitions.RETRIES, lambda seen: _each("decision", seen.counts.retries))
        self._counter(definitions.PERMIT_WAIT, lambda seen: _each("lacking", seen.snapshot.permit_wait_s))

    def _observe_fleet(self) -> None:
        for metric, read in fleet_metrics.GAUGES.items():
            self._gauge(metric, _of_fleet(read))
        for metric, read in fleet_metrics.COUNTERS.items():
            self._counter(metric, _of_fleet(read))
        names = ("operation", "kind")
        self._counter(fleet_metrics.STATE_ERRORS, lambda seen: _by(names, seen.counts.state_errors))

    def _gauge(self, metric: definitions.Metric, values: Callable[[Observation], Values]) -> None:
        self._provider.get_meter(SCOPE).create_observable_gauge(
            metric.name, [self._reading(values)], metric.unit, metric.description
        )

    def _counter(self, metric: definitions.Metric, values: Callable[[Observation], Values]) -> None:
        self._provider.get_meter(SCOPE).create_observable_counter(
            metric.name, [self._reading(values)], metric.unit, metric.description
        )

    def _reading(
        self, values: Callable[[Observation], Values]
    ) -> Callable[[CallbackOptions], Iterable[Observed]]:
        def read(_: CallbackOptions) -> Iterable[Observed]:
            seen = self._seen
            return [] if seen is None else [Observed(value, labels) for value, labels in values(seen)]

        return read


def _one(value: float) -> Values:
    return [(value, {})]


def _each(name: str, counts: dict[str, int] | dict[str, float]) -> Values:
    return [(count, {name: key}) for key, count in counts.items()]


def _by(names: tuple[str, str], counts: dict[tuple[str, str], int]) -> Values:
    return [(count, dict(zip(names, key, strict=True))) for key, count in counts.items()]


def _of_fleet(read: Callable[[FleetFigures], float]) -> Callable[[Observation], Values]:
    """Return what reads a figure of the fleet; without a fleet there is none."""
    return lambda seen: [] if seen.fleet is None else _one(read(seen.fleet))


def _certificate_ends(seen: Observation) -> Values:
    ends_at = seen.files.certificate_ends_at
    return [] if ends_at is None else _one(ends_at)


def _blocked(seen: Observation) -> Values:
    return [(seen.streams.lack_window, {"lacking": "window"}), (seen.streams.lack_room, {"lacking": "room"})]


def _completed(data: MetricsData, seen: Observation) -> MetricsData:
    (resource,) = data.resource_metrics
    campaigns = campaign_metrics(seen.now_ns, seen.snapshot, seen.counts)
    # There may be other scopes: the SDK adds metrics about itself if a variable asks for them.
    scopes = [
        replace(found, metrics=[*campaigns, *found.metrics]) if found.scope.name == SCOPE else found
        for found in resource.scope_metrics
    ]
    return MetricsData([replace(resource, scope_metrics=scopes)])


class _Collector(MetricReader):
    """Keeps the last collected metrics, in the temporality that an exporter wants."""

    def __init__(self, exporter: MetricExporter | None = None) -> None:
        if exporter is None:
            super().__init__()
        else:
            super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self.data: MetricsData | None = None

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object
    ) -> None:
        self.data = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        """Do nothing: there are no resources to release."""
