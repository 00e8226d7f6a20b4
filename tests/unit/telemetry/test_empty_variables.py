"""Values that OpenTelemetry's specification allows, but not its SDK for Python, do not stop the gateway."""

import os
from typing import Any

import pytest

from gateway.telemetry import telemetry_from
from gateway.telemetry.exporters import event_exporters, metric_exporters, span_exporters, unset_empty

OTLP = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "METRICS", "LOGS")}
EMPTY = [
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_TRACES_SAMPLER",
]


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_variable_is_as_unset(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    """Nothing is refused, and nothing is logged."""
    monkeypatch.setenv(name, value)
    telemetry_from(os.environ | OTLP).shutdown(0.0)
    assert [record.getMessage() for record in caplog.records if "exported" not in record.getMessage()] == []
    assert name not in os.environ


def test_other_variables_stay() -> None:
    environment = {"OTEL_A": "", "OTEL_B": "b", "OTHER": ""}
    unset_empty(environment)
    assert environment == {"OTEL_B": "b", "OTHER": ""}


@pytest.mark.parametrize("value", ["none", " NONE"])
@pytest.mark.parametrize("signal", ["", "TRACES_", "METRICS_", "LOGS_"])
def test_exports_over_grpc_may_be_uncompressed_explicitly(
    monkeypatch: pytest.MonkeyPatch, signal: str, value: str
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{signal}COMPRESSION", value)
    for exporters in (span_exporters, metric_exporters, event_exporters):
        exporter: Any = exporters(os.environ | OTLP)[0]
        assert exporter._compression == 0
        exporter.shutdown()


def test_one_signal_may_be_uncompressed_and_the_others_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none")
    found: list[Any] = [make(os.environ | OTLP)[0] for make in (span_exporters, metric_exporters)]
    assert [exporter._compression for exporter in found] == [0, 2]
    for exporter in found:
        exporter.shutdown()
