"""Events as OTLP log records: at a real collector, with their names and fields."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.control.audit import Actor, Audit, AuditEvent, Event, IdentifiedBy, Interface
from gateway.telemetry import Telemetry, TelemetryError, telemetry_from, trail_export_from
from gateway.trail.export_sink import ExportSink
from gateway.trail.lines import Value

EVENT = AuditEvent(
    Event.SETTING,
    "a setting is changed",
    Actor("gateway.toml", IdentifiedBy.FILE, Interface.FILE),
    fields={"setting": "call_rate", "before": 10.0, "after": 25.0},
)


class Collector:
    """A collector of logs over HTTP, which answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.records: list[LogRecord] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                    for scope in resource.scope_logs:
                        outer.records += scope.log_records
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def telemetry(self, **more: str) -> Telemetry:
        """Return telemetry that exports events to this collector."""
        return telemetry_from(
            {
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/v1/logs",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                **more,
            }
        )

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector, which the exporter finds by the variables of this process."""
    collector = Collector()
    endpoint = f"http://127.0.0.1:{collector._server.server_port}/v1/logs"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", endpoint)
    yield collector
    collector.close()


def test_an_audit_event_is_a_log_record_with_name_and_fields(collector: Collector) -> None:
    """The fields are those of the line in the log."""
    telemetry = collector.telemetry()
    Audit("gateway-1", telemetry.event).write(EVENT)
    telemetry.shutdown(5.0)
    (record,) = collector.records
    assert (record.event_name, record.body.string_value) == ("setting.change", "a setting is changed")
    values = {one.key: one.value.string_value or one.value.double_value for one in record.attributes}
    assert values == {
        "actor": "gateway.toml",
        "identified_by": "file",
        "interface": "file",
        "reason": 0.0,
        "replica": "gateway-1",
        "setting": "call_rate",
        "before": 10.0,
        "after": 25.0,
    }
    assert record.time_unix_nano > 0
    assert telemetry.lost["events"] == 0


def test_an_event_that_a_collector_refuses_is_counted(collector: Collector) -> None:
    """It is counted as lost, and nothing waits for the collector."""
    collector.status = 400
    telemetry = collector.telemetry()
    telemetry.event("setting.change", "a setting is changed", {})
    telemetry.shutdown(5.0)
    assert telemetry.lost["events"] == 1


@pytest.mark.parametrize("variables", [{"OTEL_LOGS_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_events_are_not_exported_where_the_variables_say_so(
    collector: Collector, variables: dict[str, str]
) -> None:
    """They are in the log all the same."""
    telemetry = collector.telemetry(**variables)
    telemetry.event("setting.change", "a setting is changed", {})
    telemetry.shutdown(5.0)
    assert collector.records == []


def test_an_unknown_exporter_is_refused() -> None:
    """The message names the variable."""
    with pytest.raises(TelemetryError, match="OTEL_LOGS_EXPORTER: must be one of otlp, console, none"):
        telemetry_from({"OTEL_LOGS_EXPORTER": "syslog"})


def test_a_line_of_the_trail_is_exported_until_a_collector_accepts_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever exports it knows whether it was accepted, and it is exported again with all of its fields."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    export = trail_export_from(os.environ)
    assert export is not None
    sink = ExportSink(export.export, export.close)
    line: dict[str, Value] = {
        "seq": 7,
        "time": "2026-11-30T12:00:00.250Z",
        "decision": "accepted",
        "number": "1ddd",
    }
    collector.status = 400
    with pytest.raises(OSError, match="no collector accepts it"):
        sink.write([(line, b"")])
    collector.records.clear()
    collector.status = 200
    sink.write([])
    sink.close()
    (record,) = collector.records
    fields = {one.key: one.value.int_value or one.value.string_value for one in record.attributes}
    assert (record.event_name, fields) == ("guard.decision", line)
    assert record.time_unix_nano == 1_796_040_000_250_000_000


def test_without_a_collector_there_is_no_export_of_the_trail() -> None:
    """The gateway then refuses a setting that asks for it."""
    assert trail_export_from({}) is None
