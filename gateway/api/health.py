"""The standard health service with a limit of watchers, since it is open to all who can connect."""

from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2

from gateway.api.wire.status_details import ErrorReason, end_call

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

WATCHES = 1000
"""Watch calls that may be open at the same time."""
LONGEST_SERVICE = 256
"""Characters of a service's name, at most. The name is kept in memory while it is watched."""


class BoundedHealth(health.aio.HealthServicer):
    """`grpc.health.v1` with at most `limit` watchers. A check is always answered."""

    def __init__(self, limit: int = WATCHES) -> None:
        super().__init__()
        self._most = limit
        self._watches = 0

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: "Context") -> None:  # noqa: N802
        """Send the health and its changes. Ends the call with RESOURCE_EXHAUSTED at the limit of watchers."""
        if len(request.service) > LONGEST_SERVICE:
            rule = f"service: at most {LONGEST_SERVICE} characters"
            await end_call(context, ErrorReason.INVALID_FIELD, rule)
        if self._watches >= self._most:
            words = f"{self._most} watch the health already; use Check"
            await end_call(context, ErrorReason.WATCH_LIMIT, words)
        self._watches += 1
        try:
            await super().Watch(request, context)
        finally:
            self._watches -= 1
