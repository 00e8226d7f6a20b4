"""Metrics by OpenTelemetry's API: scraped as Prometheus' text, pushed by OTLP where configured.

What the event loop knows is handed over as an `Observation`, taken on the loop; all the rest may
happen in another thread. The figures of single campaigns do not pass the SDK's storage, which never
forgets a set of labels: they are added to what it has collected, as a producer of its specification.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from opentelemetry.metrics import CallbackOptions
from opentelemetry.metrics import Observation as Observed
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricReader,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource

from gateway.core.model import Entry, FlushReason
from gateway.telemetry import directory_metrics, fleet_metrics, guard_metrics
from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.caller_metrics import caller_families
from gateway.telemetry.campaign_metrics import campaign_families
from gateway.telemetry.counters import Counters
from gateway.telemetry.directory_metrics import DirectoryFigures
from gateway.telemetry.distributions import Distributions
from gateway.telemetry.export_watch import ExportResults, MetricPusher
from gateway.telemetry.families import Family, Histogram, as_opentelemetry
from gateway.telemetry.final_export import LONGEST_S, FinalExport, run_all
from gateway.telemetry.fleet_metrics import FleetFigures
from gateway.telemetry.guard_metrics import GuardFigures
from gateway.telemetry.observation import Observation
from gateway.telemetry.process_metrics import process_families
from gateway.telemetry.prometheus_text import CONTENT_TYPE, PART, parts_of_text
from gateway.telemetry.sdk_histograms import SdkHistograms

SCOPE = "dialgateway"
PAUSE_S = 0.0002
"""Seconds between two parts of a text, in which the event loop can take over the interpreter at once. It
would otherwise wait for Python's switch interval (5 ms) each time."""
Values = Iterable[tuple[float, dict[str, str]]]


class Metrics:
    """All instruments, and who reads them."""

    def __init__(
        self,
        campaign_limit: int,
        resource: Resource,
        exporters: Sequence[MetricExporter] = (),
        caller_limit: int = 200,
    ) -> None:
        self.counters = Counters(campaign_limit, caller_limit)
        self._began_ns = time.time_ns()
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
        self._sdk = SdkHistograms(self._provider.get_meter(SCOPE), exporters)
        self._observe_gauges()
        self._observe_counters()
        self._observe_fleet()
        self._observe_directory()
        self._observe_guard()

    @property
    def pushes(self) -> bool:
        """Whether metrics are pushed."""
        return bool(self._pushers)

    # --- what happens ------------------------------------------------------------------------------

    def batch_formed(self, size: int, flush: FlushReason) -> None:
        """Note a call that was formed."""
        self._record(self.counters.batch_size, size, flush.value)

    def attempt_begun(self, time_left_s: float) -> None:
        """Note an attempt of a call, and how much time its most urgent dial request has left."""
        self._record(self.counters.time_left, max(0.0, time_left_s))

    def attempt_ended(self, operation: str, result: str, took_s: float) -> None:
        """Note how an attempt ended, and how long it took."""
        self.counters.calls[operation, result] += 1
        self._record(self.counters.call_duration, max(0.0, took_s), operation, result)

    def attempt_sent(self, entries: Sequence[Entry]) -> None:
        """Note that an attempt of a call with these requests was made, which uses the quota."""
        self.counters.sent(entries)

    def loop_lagged(self, lag_s: float) -> None:
        """Note how late the event loop woke a sleeper."""
        self._record(self.counters.loop_lag, max(0.0, lag_s))

    def state_asked(self, operation: str, took_s: float, failure: str | None) -> None:
        """Note an operation of the shared state, and the kind of its failure, if it failed."""
        self._record(self.counters.state_duration, max(0.0, took_s), operation)
        if failure is not None:
            self.counters.state_errors[operation, failure] += 1

    def _record(self, distributions: Distributions, value: float, *labels: str) -> None:
        distributions.of(*labels).add(value)
        if self._sdk.used:
            self._sdk.record(distributions.metric, value, labels)

    # --- who reads ---------------------------------------------------------------------------------

    def text(self, observation: Observation, content_type: str = CONTENT_TYPE) -> str:
        """Return all metrics as Prometheus reads them, in one of its two formats.

        Thread-safe; does not wait for exports. It pauses often, so that the event loop can go on.
        """
        data = self._collected(self._scraper, observation)
        lines: list[str] = []
        pause_at = PART
        for part in parts_of_text(data, self._families(observation), content_type):
            lines.extend(part)
            if len(lines) >= pause_at:
                pause_at = len(lines) + PART
                time.sleep(PAUSE_S)
        return "\n".join([*lines, ""])

    def push(self, observation: Observation) -> None:
        """Export all metrics to every push exporter; takes as long as the slowest. Thread-safe."""
        run_all(self._pushes(observation))

    def last_pushes(self, observation: Observation | None) -> list[FinalExport]:
        """Return the exports for the last metrics, if any, which also shut the exporters down."""

        def end(reader: _Collector, pusher: MetricPusher) -> None:
            if observation is not None:
                pusher.push(partial(self._pushed, reader, observation), LONGEST_S)
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
            FinalExport("metrics", partial(pusher.push, partial(self._pushed, reader, observation), 0.0))
            for reader, pusher in self._pushers
        ]

    # --- implementation ----------------------------------------------------------------------------

    def _collected(self, reader: "_Collector", observation: Observation) -> MetricsData | None:
        """Collect by a reader what the SDK's instruments observe."""
        with self._lock:
            self._seen = observation
            reader.collect()
            return self._sdk.without_unwanted(reader.data, reader.exporter)

    def _pushed(self, reader: "_Collector", observation: Observation) -> MetricsData | None:
        """Collect all metrics by a reader, in OpenTelemetry's data model."""
        data = self._collected(reader, observation)
        if data is None:
            return None
        families = self._sdk.lacking(self._families(observation), reader.exporter)
        ours = [as_opentelemetry(family, self._began_ns, observation.now_ns) for family in families]
        (resource,) = data.resource_metrics
        # There may be other scopes: the SDK adds metrics about itself if a variable asks for them.
        scopes = [
            replace(found, metrics=[*ours, *found.metrics]) if found.scope.name == SCOPE else found
            for found in resource.scope_metrics
        ]
        return MetricsData([replace(resource, scope_metrics=scopes)])

    def _families(self, seen: Observation) -> list[Family]:
        """Return the metrics that do not pass the SDK."""
        counts = seen.counts
        histograms = [Histogram(metric, rows) for metric, rows in counts.distributions.items() if rows]
        return [
            *campaign_families(seen.snapshot, counts, seen.campaign_names),
            *caller_families(counts.callers),
            *histograms,
            *process_families(),
        ]

    def _observe_gauges(self) -> None:
        self._gauge(definitions.CAMPAIGNS, lambda seen: _one(len(seen.counts.campaigns) - 1))
        self._gauge(definitions.CALLERS, lambda seen: _one(len(seen.counts.callers) - 1))
        self._gauge(definitions.EXPIRING, lambda seen: _one(seen.snapshot.backlog_expiring))
        self._gauge(definitions.OUTSTANDING, lambda seen: _one(seen.snapshot.outstanding))
        self._gauge(definitions.OUTSTANDING_SIZE, lambda seen: _one(seen.snapshot.outstanding_bytes))
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
        self._gauge(definitions.CERTIFICATE_ENDS, lambda seen: _known(seen.files.certificate_ends_at))
        self._gauge(
            definitions.STATE_CERTIFICATE_ENDS, lambda seen: _known(seen.files.state_certificate_ends_at)
        )
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

    def _observe_directory(self) -> None:
        self._gauge(directory_metrics.CAMPAIGNS, _of_directory(lambda seen: _one(seen.campaigns)))
        self._gauge(directory_metrics.AGE, _of_directory(lambda seen: _known(seen.age_s)))
        names = ("operation", "error")
        self._counter(directory_metrics.FAILURES, _of_directory(lambda seen: _by(names, seen.failures)))

    def _observe_guard(self) -> None:
        for metric, read in guard_metrics.GAUGES.items():
            self._gauge(metric, _of_guard(read))
        for metric, read in guard_metrics.COUNTERS.items():
            self._counter(metric, _of_guard(read))

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


def _by(names: tuple[str, str], counts: Mapping[tuple[str, str], int]) -> Values:
    return [(count, dict(zip(names, key, strict=True))) for key, count in counts.items()]


def _of_fleet(read: Callable[[FleetFigures], float]) -> Callable[[Observation], Values]:
    """Return what reads a figure of the fleet; without a fleet there is none."""
    return lambda seen: [] if seen.fleet is None else _one(read(seen.fleet))


def _of_directory(read: Callable[[DirectoryFigures], Values]) -> Callable[[Observation], Values]:
    """Return what reads figures of the campaign directory; without a directory there are none."""
    return lambda seen: [] if seen.directory is None else read(seen.directory)


def _of_guard(read: Callable[[GuardFigures], Values]) -> Callable[[Observation], Values]:
    """Return what reads figures of the guard; without one there are none."""
    return lambda seen: [] if seen.guard is None else read(seen.guard)


def _known(value: float | None) -> Values:
    return [] if value is None else _one(value)


def _blocked(seen: Observation) -> Values:
    return [(seen.streams.lack_window, {"lacking": "window"}), (seen.streams.lack_room, {"lacking": "room"})]


class _Collector(MetricReader):
    """Keeps the last collected metrics, in the temporality that an exporter wants."""

    def __init__(self, exporter: MetricExporter | None = None) -> None:
        if exporter is None:
            super().__init__()
        else:
            super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self.exporter = exporter
        self.data: MetricsData | None = None

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object
    ) -> None:
        self.data = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        """Do nothing: there are no resources to release."""
