"""Reads how many of the exported items a collector has rejected.

A collector that accepts only a part of an export replies with success and the number of items that it has
rejected for good (OTLP's specification, "Partial Success"). OpenTelemetry's exporters do not read the number.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from gateway.telemetry.export_watch import rejected

T = TypeVar("T")
_PROTOBUF = "application/x-protobuf"
_PROVIDER = ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_", "CREDENTIAL_PROVIDER")
"""How the variables begin and end that name a session with credentials of its own."""


def over_grpc(make: Callable[..., T], **arguments: Any) -> T:
    """Return an exporter over gRPC with these arguments, whose replies are read."""
    exporter: Any = make(**arguments)
    stub = exporter._stub
    exporter._stub = lambda channel: _Reading(stub(channel))  # also for the channels of later connections
    exporter._client = exporter._stub(exporter._channel)
    made: T = exporter
    return made


def over_http(make: Callable[..., T], environment: Mapping[str, str]) -> T:
    """Return an exporter over HTTP whose replies are read, unless it has a session of another package."""
    first, last = _PROVIDER
    if any(name.startswith(first) and name.endswith(last) for name in environment):
        return make()
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    from gateway.telemetry.otlp_session import OtlpSession

    # The replies about all signals have the same form, except for the name of the number.
    reply = trace_service_pb2.ExportTraceServiceResponse
    return make(session=OtlpSession(partial(_read_http, parse=reply.FromString)))


class _Reading:
    """The client of a collector over gRPC, for one of its connections."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def Export(self, **arguments: Any) -> Any:  # noqa: N802 - as in the library
        """Export, and read the reply."""
        response = self._stub.Export(**arguments)
        _read(response)
        return response


def _read_http(response: Any, *, parse: Callable[[bytes], Any]) -> None:
    if response.status_code == 200 and response.headers.get("Content-Type", "").startswith(_PROTOBUF):
        try:
            _read(parse(response.content))
        except Exception:  # noqa: BLE001 - whatever the collector writes, it has accepted the export
            return


def _read(response: Any) -> None:
    partial = response.partial_success
    count: int = getattr(partial, partial.DESCRIPTOR.fields_by_number[1].name)
    if count > 0:
        rejected(count)
