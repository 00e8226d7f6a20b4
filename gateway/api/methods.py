"""How the methods of CampaignService are registered with gRPC.

gRPC's own handlers read and parse a request before the caller is authorized. The handlers here authorize the
caller, send initial metadata, and then read, as those of DialRequestService do. On the wire a call with one
message is the same as one with a stream of messages, so each method is registered as one that takes a
stream.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc

from dialgateway.v1 import campaign_service_pb2 as pb
from gateway.api.callers import Door
from gateway.api.campaign_servicer import CampaignServicer
from gateway.api.incoming import UnreadableError, parsed

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Method = grpc.RpcMethodHandler[Any, Any]

SERVICE = pb.DESCRIPTOR.services_by_name["CampaignService"].full_name
REQUEST_BYTES = 64 * 1024
"""The longest request, in bytes. Legal requests are far shorter."""


def campaign_handlers(servicer: CampaignServicer, door: Door) -> grpc.GenericRpcHandler:
    """Return what gRPC calls for the methods of CampaignService."""
    methods = {
        "ListCampaigns": _unary(servicer.ListCampaigns, pb.ListCampaignsRequest, door),
        "HoldCampaign": _unary(servicer.HoldCampaign, pb.HoldCampaignRequest, door),
        "ReleaseCampaign": _unary(servicer.ReleaseCampaign, pb.ReleaseCampaignRequest, door),
        "PurgeCampaign": _unary(servicer.PurgeCampaign, pb.PurgeCampaignRequest, door),
        "WatchCampaigns": _watch(servicer, door),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _unary(method: Any, request: type[Any], door: Door) -> "Method":
    async def handle(messages: AsyncIterator[bytes], context: "Context") -> Any:
        return await method(await _first(messages, request, door, context), context)

    return grpc.stream_unary_rpc_method_handler(handle, response_serializer=_serialized)


def _watch(servicer: CampaignServicer, door: Door) -> "Method":
    async def handle(messages: AsyncIterator[bytes], context: "Context") -> AsyncIterator[Any]:
        request = await _first(messages, pb.WatchCampaignsRequest, door, context)
        async for response in servicer.WatchCampaigns(request, context):
            yield response

    return grpc.stream_stream_rpc_method_handler(handle, response_serializer=_serialized)


async def _first(messages: AsyncIterator[bytes], request: type[Any], door: Door, context: "Context") -> Any:
    """Authorize the caller, and read its request; end the call if either fails."""
    await door.entrant(context)
    await context.send_initial_metadata(())
    try:
        return parsed(request, await anext(messages), REQUEST_BYTES)
    except (UnreadableError, StopAsyncIteration):
        words = f"the call needs one {request.DESCRIPTOR.name} of at most {REQUEST_BYTES} bytes"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)


def _serialized(message: Any) -> bytes:
    found: bytes = message.SerializeToString()
    return found
