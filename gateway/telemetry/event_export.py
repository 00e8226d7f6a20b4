"""Exports events as OpenTelemetry log records, which have a name and fields."""

import time
from collections.abc import Callable, Mapping, Sequence

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource

from gateway.telemetry.export_watch import ExportResults, WatchedEvents
from gateway.telemetry.final_export import FinalExport

Fields = Mapping[str, str | int | float | bool]

EXPORT_EVERY_MS = 1000
"""Milliseconds between two exports. Events are rare, and an operator looks for one soon after an action."""


class EventExport:
    """Hands events to exporters, in threads. `last` has, for each exporter, the export of the last ones."""

    def __init__(
        self,
        exporters: Sequence[LogRecordExporter],
        resource: Resource,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`now_ns` returns nanoseconds since the epoch."""
        provider = LoggerProvider(resource, shutdown_on_exit=False)
        self.last: list[FinalExport] = []
        for exporter in exporters:
            results = ExportResults("events")
            processor = BatchLogRecordProcessor(WatchedEvents(exporter, results), EXPORT_EVERY_MS)
            provider.add_log_record_processor(processor)
            self.last.append(FinalExport("events", processor.shutdown, results))
        self._logger = provider.get_logger("dialgateway")
        self._now_ns = now_ns

    def emit(self, name: str, text: str, fields: Fields) -> None:
        """Export an event. Does not wait for that."""
        now = self._now_ns()
        self._logger.emit(
            LogRecord(
                timestamp=now,
                observed_timestamp=now,
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=text,
                attributes=dict(fields),
                event_name=name,
            )
        )
