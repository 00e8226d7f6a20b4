"""The statuses with which the gateway ends calls, and their details.

The text of a status is for people. Programs read the reason from its details: a `google.rpc.Status` in the
trailing metadata, as gRPC's libraries read it. error_reason.proto documents the reasons.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, NoReturn, Protocol

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "dialgateway.v1"
KEY = "grpc-status-details-bin"
"""The metadata that carries the details."""


class ErrorReason(StrEnum):
    """Why a call ends: the values of the contract's `ErrorReason`, without their prefix."""

    DRAINING = "DRAINING"
    STREAM_AGE = "STREAM_AGE"
    STREAM_LIMIT = "STREAM_LIMIT"
    LIST_TOO_LONG = "LIST_TOO_LONG"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    OVERLOADED = "OVERLOADED"
    CALLER_WINDOW = "CALLER_WINDOW"
    WATCH_LIMIT = "WATCH_LIMIT"
    HOLD_LIMIT = "HOLD_LIMIT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNKNOWN_CALLER = "UNKNOWN_CALLER"
    DIALING_DENIED = "DIALING_DENIED"
    OPERATION_DENIED = "OPERATION_DENIED"
    INVALID_FIELD = "INVALID_FIELD"
    UNREADABLE_MESSAGE = "UNREADABLE_MESSAGE"
    UNREADABLE_STREAM = "UNREADABLE_STREAM"
    CAMPAIGN_NOT_FOUND = "CAMPAIGN_NOT_FOUND"
    NOT_HELD = "NOT_HELD"
    AMBIGUOUS_NAME = "AMBIGUOUS_NAME"
    DIRECTORY_UNREAD = "DIRECTORY_UNREAD"
    SHARED_STATE_UNREACHABLE = "SHARED_STATE_UNREACHABLE"
    INTERNAL = "INTERNAL"
    NOT_SUPPRESSED = "NOT_SUPPRESSED"
    SUPPRESSION_LIMIT = "SUPPRESSION_LIMIT"
    SUPPRESSION_NOT_KEPT = "SUPPRESSION_NOT_KEPT"

    @property
    def code(self) -> grpc.StatusCode:
        """The status code of calls that end for this reason."""
        return _CODES[self]


class Refusal(NamedTuple):
    """Why a call is refused: the reason for programs, and the text for people."""

    reason: ErrorReason
    text: str


class Abortable(Protocol):
    """The part of a call's context that ends the call."""

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> NoReturn:
        """End the call."""
        ...


async def end_call(context: Abortable, reason: ErrorReason, text: str) -> NoReturn:
    """End a call with the status of a reason, a text for people, and details for programs."""
    await context.abort(reason.code, text, ((KEY, status_details(reason, text)),))


def status_details(reason: ErrorReason, text: str) -> bytes:
    """Return the details of a status, as bytes for the metadata."""
    number: int = reason.code.value[0]
    status = status_pb2.Status(code=number, message=text)
    status.details.append(_packed(error_details_pb2.ErrorInfo(reason=reason.value, domain=DOMAIN)))
    wait_s = _RETRY_AFTER_S.get(reason)
    if wait_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(wait_s * 1000))
        status.details.append(_packed(retry))
    return status.SerializeToString()


def _packed(detail: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


_BY_CODE: Mapping[grpc.StatusCode, tuple[ErrorReason, ...]] = {
    grpc.StatusCode.UNAVAILABLE: (ErrorReason.DRAINING, ErrorReason.STREAM_AGE),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        ErrorReason.STREAM_LIMIT,
        ErrorReason.LIST_TOO_LONG,
        ErrorReason.MESSAGE_TOO_LARGE,
        ErrorReason.OVERLOADED,
        ErrorReason.CALLER_WINDOW,
        ErrorReason.WATCH_LIMIT,
        ErrorReason.HOLD_LIMIT,
        ErrorReason.SUPPRESSION_LIMIT,
    ),
    grpc.StatusCode.UNAUTHENTICATED: (ErrorReason.UNAUTHENTICATED,),
    grpc.StatusCode.PERMISSION_DENIED: (
        ErrorReason.UNKNOWN_CALLER,
        ErrorReason.DIALING_DENIED,
        ErrorReason.OPERATION_DENIED,
    ),
    grpc.StatusCode.INVALID_ARGUMENT: (ErrorReason.INVALID_FIELD, ErrorReason.UNREADABLE_MESSAGE),
    grpc.StatusCode.NOT_FOUND: (
        ErrorReason.CAMPAIGN_NOT_FOUND,
        ErrorReason.NOT_HELD,
        ErrorReason.NOT_SUPPRESSED,
    ),
    grpc.StatusCode.FAILED_PRECONDITION: (
        ErrorReason.AMBIGUOUS_NAME,
        ErrorReason.DIRECTORY_UNREAD,
        ErrorReason.SHARED_STATE_UNREACHABLE,
    ),
    grpc.StatusCode.INTERNAL: (
        ErrorReason.UNREADABLE_STREAM,
        ErrorReason.INTERNAL,
        ErrorReason.SUPPRESSION_NOT_KEPT,
    ),
}
_CODES = {reason: code for code, reasons in _BY_CODE.items() for reason in reasons}
_RETRY_AFTER_S: Mapping[ErrorReason, float] = {
    ErrorReason.STREAM_LIMIT: 1.0,
    ErrorReason.OVERLOADED: 1.0,
    ErrorReason.CALLER_WINDOW: 1.0,
    ErrorReason.WATCH_LIMIT: 5.0,
    ErrorReason.DIRECTORY_UNREAD: 5.0,
    ErrorReason.SHARED_STATE_UNREACHABLE: 1.0,
}
"""Seconds to wait at least before the next call. Without an entry waiting does not help, or is not needed."""
