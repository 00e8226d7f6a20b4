"""Probe new connections, with asyncio and without.

A probe is a unary call with an empty list. It is sent over each new connection before any dial request. If
the gateway is unreachable or draining, even behind a proxy that accepts connections, the probe fails and no
request is in doubt, because none was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._call_context import CallContext
from dialgateway._channels import Lease
from dialgateway._status_details import details_of, status_of
from dialgateway.errors import CallFailed, ClientClosed, from_status
from dialgateway.retry import RECONNECT_STATUSES
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

if TYPE_CHECKING:
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceAsyncStub

PROBE_SECONDS = 10.0
"""How long connecting and the answer to the probe may take together."""


async def probe(
    lease: Lease[grpc.aio.Channel], context: CallContext, seconds: float = PROBE_SECONDS
) -> CallFailed | None:
    """Probe a channel that was not probed before. Return the failure, or None if the gateway has answered."""
    if lease.probed:
        return None
    message = _wire.put_message(context.campaign_id, [], context.priority)
    seconds = min(seconds, PROBE_SECONDS)
    try:
        await stub_of(lease).PutDialRequests(message, timeout=seconds, metadata=context.metadata)
    except grpc.aio.AioRpcError as error:
        if (failure := _failure_of_probe(error, error.code(), error.details())) is not None:
            return failure
    lease.probed = True
    return None


def sync_probe(
    lease: Lease[grpc.Channel],
    context: CallContext,
    set_cancel: Callable[[Callable[[], object]], None],
    seconds: float = PROBE_SECONDS,
) -> CallFailed | None:
    """Probe a channel that was not probed before. Return the failure, or None if the gateway has answered.

    `set_cancel` receives the function that cancels the probe. Raises ClientClosed after it was called.
    """
    if lease.probed:
        return None
    message = _wire.put_message(context.campaign_id, [], context.priority)
    seconds = min(seconds, PROBE_SECONDS)
    try:
        call = sync_stub_of(lease).PutDialRequests.future(
            message, timeout=seconds, metadata=tuple(context.metadata)
        )
    except ValueError as error:
        raise ClientClosed("the channel was closed") from error
    try:
        set_cancel(call.cancel)
        call.result()
    except grpc.FutureCancelledError as error:
        raise ClientClosed("the client was closed") from error
    except grpc.RpcError as error:
        if (failure := _failure_of_probe(error, call.code(), call.details())) is not None:
            return failure
    finally:
        call.cancel()  # has no effect after the end of the call; otherwise the caller was interrupted
    lease.probed = True
    return None


def failure_of(error: grpc.RpcError, code: grpc.StatusCode, text: str | None) -> CallFailed:
    """Return the error for the status that ended a call, with the gRPC error as its cause."""
    failure = from_status(*status_of(error, code, text), (), details_of(error))
    failure.__cause__ = error
    return failure


def stub_of(lease: Lease[grpc.aio.Channel]) -> DialRequestServiceAsyncStub:
    """Return the generated stub for a channel of grpc.aio."""
    return cast("DialRequestServiceAsyncStub", DialRequestServiceStub(lease.channel))


def sync_stub_of(lease: Lease[grpc.Channel]) -> DialRequestServiceStub:
    """Return the generated stub for a synchronous channel."""
    return DialRequestServiceStub(lease.channel)


def being_cancelled() -> bool:
    """Whether the running task is being cancelled. Otherwise a CancelledError is that of one gRPC call."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failure_of_probe(error: grpc.RpcError, code: grpc.StatusCode, details: str | None) -> CallFailed | None:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        code, details = grpc.StatusCode.UNAVAILABLE, "no answer in time"
    # Any other status shows that something answers for the gateway. The call itself gets its own status, and
    # may be permitted although the probe is not.
    return failure_of(error, code, details) if code in RECONNECT_STATUSES else None
