"""Registers the methods of CampaignService with gRPC, and helps other services to do so.

gRPC's own handlers read and parse a request before the caller is authorized. The handlers here authorize the
caller, send initial metadata, and then read, as those of DialRequestService do. On the wire a call with one
message is the same as one with a stream of messages, so each method is registered as one that takes a
stream.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

from dialgateway.v1 import campaign_service_pb2 as pb
from gateway.api.authorization import Authorizer
from gateway.api.campaign_service import CampaignServicer
from gateway.api.wire.incoming import UnreadableError, parsed
from gateway.api.wire.status_details import ErrorReason, end_call
from gateway.api.wire.unary import RequestT, ResponseT, serialized

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Method = grpc.RpcMethodHandler[Any, Any]
    Authorize = Callable[[Context], Awaitable[object]]

SERVICE = pb.DESCRIPTOR.services_by_name["CampaignService"].full_name
REQUEST_BYTES = 64 * 1024
"""The longest request, in bytes. Legal requests are far shorter."""


def campaign_handlers(servicer: CampaignServicer, authorizer: Authorizer) -> grpc.GenericRpcHandler:
    """Return the gRPC handlers for the methods of CampaignService."""
    methods = {
        "ListCampaigns": unary(servicer.ListCampaigns, pb.ListCampaignsRequest, authorizer.known),
        "HoldCampaign": unary(servicer.HoldCampaign, pb.HoldCampaignRequest, authorizer.known),
        "ReleaseCampaign": unary(servicer.ReleaseCampaign, pb.ReleaseCampaignRequest, authorizer.known),
        "PurgeCampaign": unary(servicer.PurgeCampaign, pb.PurgeCampaignRequest, authorizer.known),
        "WatchCampaigns": _watch(servicer, authorizer.known),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def unary(
    method: Callable[[RequestT, "Context"], Awaitable[ResponseT]],
    request: type[RequestT],
    authorize: "Authorize",
) -> "Method":
    """Return the handler of a method with one request and one response.

    `authorize` ends the call of a caller whose request need not be read.
    """

    async def handle(messages: AsyncIterator[bytes], context: "Context") -> ResponseT:
        return await method(await _first(messages, request, authorize, context), context)

    return grpc.stream_unary_rpc_method_handler(handle, response_serializer=serialized)


def _watch(servicer: CampaignServicer, authorize: "Authorize") -> "Method":
    async def handle(
        messages: AsyncIterator[bytes], context: "Context"
    ) -> AsyncIterator[pb.WatchCampaignsResponse]:
        request = await _first(messages, pb.WatchCampaignsRequest, authorize, context)
        async for response in servicer.WatchCampaigns(request, context):
            yield response

    return grpc.stream_stream_rpc_method_handler(handle, response_serializer=serialized)


async def _first(
    messages: AsyncIterator[bytes], request: type[RequestT], authorize: "Authorize", context: "Context"
) -> RequestT:
    """Authorize the caller, and read its request; end the call if either fails."""
    await authorize(context)
    await context.send_initial_metadata(())
    name = request.DESCRIPTOR.name
    try:
        return parsed(request, await only_message(messages, name, context), REQUEST_BYTES)
    except UnreadableError:
        words = f"the call needs one {name} of at most {REQUEST_BYTES} bytes"
        await end_call(context, ErrorReason.UNREADABLE_MESSAGE, words)


async def only_message(messages: AsyncIterator[bytes], name: str, context: "Context") -> bytes:
    """Read the message of a call, which is named `name`; end the call if there is none."""
    try:
        return await anext(messages)
    except StopAsyncIteration:
        await end_call(context, ErrorReason.UNREADABLE_MESSAGE, f"the call needs one {name}")
