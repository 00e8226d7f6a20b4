"""OpenTelemetry's attributes of calls, under their old and new names.

Instrumentations of callers write one set or the other: Go's otelgrpc 0.72 writes only the new one, others
still the old one. Our spans have both, so a query for either finds the spans of callers and of the gateway:

| old | new |
|---|---|
| `rpc.system` | `rpc.system.name` |
| `rpc.service`, `rpc.method` as the bare name | `rpc.method` as `SERVICE/METHOD` |
| `rpc.grpc.status_code`, a number | `rpc.response.status_code`, its name |

`rpc.method` can have only one value. SERVER spans have the new one, like otelgrpc when it writes both
(`OTEL_SEMCONV_STABILITY_OPT_IN=rpc/dup`). The old value is the part after the slash.
"""

from collections.abc import Mapping
from typing import NamedTuple

ERRORS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "DATA_LOSS"})
"""Status codes that mark a SERVER span as failed.

The conventions name UNAVAILABLE too. It is left out, since every stream that reaches its age ends with it.
"""


class RpcStatus(NamedTuple):
    """The status that a call ended with: gRPC's name and number of it."""

    name: str
    number: int

    @property
    def is_error(self) -> bool:
        """Whether the gateway failed, rather than its caller."""
        return self.name in ERRORS

    def attributes(self) -> Mapping[str, str | int]:
        """Return the attributes that name it."""
        named: dict[str, str | int] = {
            "rpc.response.status_code": self.name,
            "rpc.grpc.status_code": self.number,
        }
        return named | ({"error.type": self.name} if self.is_error else {})


def server_attributes(service: str, method: str) -> Mapping[str, str]:
    """Return the attributes of a gRPC call that the gateway serves."""
    return {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.system.name": "grpc",
        "rpc.method": f"{service}/{method}",
    }


def aws_attributes(service: str, operation: str) -> Mapping[str, str]:
    """Return the attributes of a call to AWS, whose conventions still have `rpc.method` as the bare name."""
    return {
        "rpc.system": "aws-api",
        "rpc.service": service,
        "rpc.system.name": "aws-api",
        "rpc.method": operation,
    }
