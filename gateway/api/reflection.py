"""Server reflection: describes the services and their messages to tools such as grpcurl and ghz.

Both versions of the protocol are served, `grpc.reflection.v1` and `v1alpha`: their messages are the same. If
there is a policy, only callers that it names may use reflection. The number of streams is bounded.
"""

import functools
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb

from dialgateway.v1 import campaign_service_pb2, compliance_service_pb2, dial_request_service_pb2
from gateway.api.authorization import Authorizer
from gateway.api.reflection_files import ReflectionFiles, renamed
from gateway.api.wire.incoming import UnreadableError, parsed
from gateway.api.wire.status_details import ErrorReason, end_call

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[bytes, pb.ServerReflectionResponse]
    Response = pb.ServerReflectionResponse

STREAMS, CALLER_STREAMS = 100, 20
"""Streams at once, at most: in all, and of one caller."""
REQUEST_BYTES = 8192
"""The longest request, in bytes. Names are far shorter."""
V1 = "grpc.reflection.v1"
V1_ALPHA = "grpc.reflection.v1alpha"

_FILES = (
    dial_request_service_pb2.DESCRIPTOR,
    campaign_service_pb2.DESCRIPTOR,
    compliance_service_pb2.DESCRIPTOR,
    health_pb2.DESCRIPTOR,
    pb.DESCRIPTOR,
)


@functools.cache
def _files() -> ReflectionFiles:
    """Return the described files. They are collected for the first request: most gateways never get one."""
    return ReflectionFiles(_FILES, [renamed(pb.DESCRIPTOR, V1, "grpc/reflection/v1/reflection.proto")])


class Reflection:
    """Both versions of the reflection service."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._streams: Counter[str] = Counter()

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return the gRPC handlers for both versions."""
        method: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self.answer, response_serializer=pb.ServerReflectionResponse.SerializeToString
        )
        methods = {"ServerReflectionInfo": method}
        names = (f"{package}.ServerReflection" for package in (V1, V1_ALPHA))
        return tuple(grpc.method_handlers_generic_handler(name, methods) for name in names)

    async def answer(self, requests: AsyncIterator[bytes], context: "Context") -> AsyncIterator["Response"]:
        """Answer the requests of a stream one by one."""
        caller, _ = await self._authorizer.known(context)
        if self._streams.total() >= STREAMS or self._streams[caller.key] >= CALLER_STREAMS:
            words = "the limit of open server reflection streams is reached"
            await end_call(context, ErrorReason.STREAM_LIMIT, words)
        self._streams[caller.key] += 1
        # The stubs ask for a class of their own here, which does not exist at run time.
        context.add_done_callback(lambda _: self._ended(caller.key))  # type: ignore[arg-type]
        async for raw in requests:
            try:
                request = parsed(pb.ServerReflectionRequest, raw, REQUEST_BYTES)
            except UnreadableError:
                words = f"not a request of server reflection, or of more than {REQUEST_BYTES} bytes"
                await end_call(context, ErrorReason.UNREADABLE_MESSAGE, words)
            yield self._response(request)

    def _ended(self, key: str) -> None:
        self._streams[key] -= 1
        self._streams += Counter()  # drops callers without a stream

    def _response(self, request: pb.ServerReflectionRequest) -> "Response":
        response = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
        match request.WhichOneof("message_request"):
            case "list_services":
                services = [pb.ServiceResponse(name=name) for name in _files().services]
                response.list_services_response.service.extend(services)
            case "file_by_filename":
                _add_files(response, _files().file(request.file_by_filename))
            case "file_containing_symbol":
                _add_files(response, _files().file_with(request.file_containing_symbol))
            case "file_containing_extension":
                _add_files(response, None)  # the services have no extensions
            case "all_extension_numbers_of_type" if self._knows(request.all_extension_numbers_of_type):
                name = request.all_extension_numbers_of_type
                response.all_extension_numbers_response.base_type_name = name
            case "all_extension_numbers_of_type":
                _add_files(response, None)
            case _:
                _tell_error(response, grpc.StatusCode.INVALID_ARGUMENT)
        return response

    def _knows(self, message: str) -> bool:
        return message in _files().messages


def _add_files(response: "Response", files: tuple[bytes, ...] | None) -> None:
    if files is None:
        _tell_error(response, grpc.StatusCode.NOT_FOUND)
    else:
        response.file_descriptor_response.file_descriptor_proto.extend(files)


def _tell_error(response: "Response", code: grpc.StatusCode) -> None:
    number, words = code.value
    response.error_response.error_code, response.error_response.error_message = number, words
