"""The generated stub, typed for grpc.aio: the two are one class at run time."""

from typing import TYPE_CHECKING, cast

import grpc

from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

if TYPE_CHECKING:
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceAsyncStub


def async_stub(channel: grpc.aio.Channel) -> "DialRequestServiceAsyncStub":
    """Return the stub of an asynchronous channel."""
    return cast("DialRequestServiceAsyncStub", DialRequestServiceStub(channel))
