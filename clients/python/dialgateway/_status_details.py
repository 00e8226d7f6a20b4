"""Reads the details of a gRPC status: why the gateway has ended a call, and how long to wait.

They are a `google.rpc.Status` with an `ErrorInfo` and perhaps a `RetryInfo`; error_reason.proto documents
them. The Python package of these messages is not a dependency of this client, so their fields are read by
number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

KEY = "grpc-status-details-bin"
DOMAIN = "dialgateway.v1"
_CODE, _MESSAGE, _DETAILS = 1, 2, 3  # in Status
_REASON, _DOMAIN = 1, 2  # in ErrorInfo
_RETRY_DELAY = 1  # in RetryInfo


class StatusDetails(NamedTuple):
    """The reason of the gateway, and how long to wait at least before the next call."""

    reason: str = ""
    retry_after: timedelta | None = None


NO_DETAILS = StatusDetails()
_CODES: dict[object, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def details_of(error: grpc.RpcError) -> StatusDetails:
    """Return the details of a status; they are empty if the status is not of the gateway."""
    try:
        return _read(_raw(error))
    except (DecodeError, ValueError, OverflowError):
        return NO_DETAILS  # something between gateway and client has made these bytes


def status_of(
    error: grpc.RpcError, code: grpc.StatusCode, text: str | None
) -> tuple[grpc.StatusCode, str | None]:
    """Return the status with which the gateway has ended a call, where gRPC reports a cancellation.

    If the gateway ends a stream before its caller does, HAProxy passes the status on and then resets the
    stream with CANCEL. gRPC's core then reports CANCELLED, but keeps the details.
    """
    if code is not grpc.StatusCode.CANCELLED or details_of(error) == NO_DETAILS:
        return code, text
    status = _raw(error)
    found = next((_CODES.get(number) for number in _values(status, _CODE)), None)
    return found or code, _text(status, _MESSAGE)


def _raw(error: grpc.RpcError) -> bytes:
    """Return the details in the trailing metadata of a call; empty without them."""
    trailing = getattr(error, "trailing_metadata", None)
    metadata: Iterable[tuple[str, str | bytes]] = (trailing and trailing()) or ()
    return next((value for key, value in metadata if key == KEY and isinstance(value, bytes)), b"")


def _read(raw: bytes) -> StatusDetails:
    reason, retry_after = "", None
    for packed in _fields(raw, _DETAILS):
        detail = Any.FromString(packed)
        if detail.type_url.endswith("/google.rpc.ErrorInfo"):
            if _text(detail.value, _DOMAIN) == DOMAIN:
                reason = _text(detail.value, _REASON)
        elif detail.type_url.endswith("/google.rpc.RetryInfo"):
            for duration in _fields(detail.value, _RETRY_DELAY):
                retry_after = Duration.FromString(duration).ToTimedelta()
    return StatusDetails(reason, retry_after) if reason else NO_DETAILS


def _text(message: bytes, number: int) -> str:
    return b"".join(_fields(message, number)).decode(errors="replace")


def _fields(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the texts and messages in a field of a message."""
    return (value for value in _values(message, number) if isinstance(value, bytes))


def _values(message: bytes, number: int) -> Iterator[object]:
    """Yield the values of a field of a message: numbers, or texts and messages as bytes."""
    unknown = UnknownFieldSet(Empty.FromString(message))
    for place in range(len(unknown)):
        field = unknown[place]
        if field.field_number == number:
            yield field.data
