"""Exports the audit trail of the guard as OpenTelemetry log records, and says whether a collector has them.

Unlike other events they do not wait in the SDK's queue, which drops the oldest without counting them.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.telemetry.export_watch import ExportResults, WatchedEvents

EVENT_NAME = "guard.decision"
_SCOPE = InstrumentationScope("dialgateway")


class _Results(ExportResults):
    """Results of exports that are repeated: only what a collector has rejected for good is lost."""

    def ended(self, count: int, *, exported: bool) -> None:
        """Note the end of an export."""
        super().ended(count if exported else 0, exported=exported)


class TrailExport:
    """Hands lines of the trail to all exporters, one after the other, and waits for them."""

    def __init__(self, exporters: Sequence[LogRecordExporter], resource: Resource) -> None:
        self._results = [_Results("lines of the trail") for _ in exporters]
        self._exporters = list(map(WatchedEvents, exporters, self._results))
        self._resource = resource

    @property
    def rejected(self) -> int:
        """How many lines the collectors have rejected. They are not exported again: OTLP forbids that."""
        return sum(results.lost for results in self._results)

    def export(self, lines: Sequence[Mapping[str, str | int | bool]]) -> bool:
        """Export lines with these fields; return whether all exporters have succeeded."""
        batch = [self._record(fields) for fields in lines]
        results = [exporter.export(batch) for exporter in self._exporters]
        return all(result is LogRecordExportResult.SUCCESS for result in results)

    def close(self) -> None:
        """Release the connections to the collectors."""
        for exporter in self._exporters:
            exporter.shutdown()

    def _record(self, fields: Mapping[str, str | int | bool]) -> ReadableLogRecord:
        made_at = datetime.fromisoformat(str(fields["time"]))
        record = LogRecord(
            timestamp=round(made_at.timestamp() * 1000) * 1_000_000,
            observed_timestamp=time.time_ns(),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=str(fields.get("decision") or fields.get("event", "")),
            attributes=dict(fields),
            event_name=EVENT_NAME,
        )
        return ReadableLogRecord(record, self._resource, _SCOPE)
