"""Whether the gateway is there: the probe of a new connection, on both kinds of channel.

A probe is an empty list by the unary call. It goes over each new connection before any dial request does. So
a gateway that is out of reach, perhaps behind a proxy that is not, or that is leaving, leaves no doubt about
requests: they were not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._channels import Lease
from dialgateway._dial import Dial
from dialgateway.errors import CallFailed, ClientClosed, from_status
from dialgateway.retry import BROKEN
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

if TYPE_CHECKING:
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceAsyncStub

PROBE_SECONDS = 10.0
"""How long a gateway may take to answer the probe of a new connection, with the time it takes to connect."""


async def reach(
    lease: Lease[grpc.aio.Channel], dial: Dial, seconds: float = PROBE_SECONDS
) -> CallFailed | None:
    """Probe a new connection; return why the gateway is not reached, None where it is."""
    if lease.reached:
        return None
    probe, seconds = _wire.put_message(dial.campaign_id, [], dial.priority), min(seconds, PROBE_SECONDS)
    try:
        await stub_of(lease).PutDialRequests(probe, timeout=seconds, metadata=dial.metadata)
    except grpc.aio.AioRpcError as error:
        if (failure := _why_not_reached(error, error.code(), error.details())) is not None:
            return failure
    lease.reached = True
    return None


def sync_reach(
    lease: Lease[grpc.Channel],
    dial: Dial,
    under_way: Callable[[Callable[[], object]], None],
    seconds: float = PROBE_SECONDS,
) -> CallFailed | None:
    """Probe a new connection; return why the gateway is not reached, None where it is.

    `under_way` is told how to cancel the probe. Raises ClientClosed when that was done.
    """
    if lease.reached:
        return None
    probe, seconds = _wire.put_message(dial.campaign_id, [], dial.priority), min(seconds, PROBE_SECONDS)
    try:
        call = sync_stub_of(lease).PutDialRequests.future(
            probe, timeout=seconds, metadata=tuple(dial.metadata)
        )
    except ValueError as error:
        raise ClientClosed("the channel was closed") from error
    try:
        under_way(call.cancel)
        call.result()
    except grpc.FutureCancelledError as error:
        raise ClientClosed("the client was closed") from error
    except grpc.RpcError as error:
        if (failure := _why_not_reached(error, call.code(), call.details())) is not None:
            return failure
    finally:
        call.cancel()  # nothing to cancel once it is done; else the caller was interrupted
    lease.reached = True
    return None


def failure_of(error: grpc.RpcError, code: grpc.StatusCode, details: str | None) -> CallFailed:
    """Translate the status that ended a call, with its cause."""
    failure = from_status(code, details)
    failure.__cause__ = error
    return failure


def stub_of(lease: Lease[grpc.aio.Channel]) -> DialRequestServiceAsyncStub:
    """Return the generated stub, on a channel of grpc.aio."""
    return cast("DialRequestServiceAsyncStub", DialRequestServiceStub(lease.channel))


def sync_stub_of(lease: Lease[grpc.Channel]) -> DialRequestServiceStub:
    """Return the generated stub, on a synchronous channel."""
    return DialRequestServiceStub(lease.channel)


def being_cancelled() -> bool:
    """Whether the running task is asked to end; else a CancelledError is grpc's, about the call alone."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _why_not_reached(error: grpc.RpcError, code: grpc.StatusCode, details: str | None) -> CallFailed | None:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        code, details = grpc.StatusCode.UNAVAILABLE, "no answer in time"
    # What is refused for any other reason has come from the gateway, or from what speaks for it: the call
    # itself will tell, and may be allowed where the probe is not.
    return failure_of(error, code, details) if code in BROKEN else None
