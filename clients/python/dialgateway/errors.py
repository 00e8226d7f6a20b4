"""The errors of calls to the gateway.

    DialGatewayError
    ├── ClientClosed             the client was closed before or during the call
    └── CallFailed               the gateway or the connection ended the call
        ├── GatewayUnavailable   the gateway is unreachable or shutting down
        ├── GatewayOverloaded    the gateway has no room for this call, or a message was too large
        ├── DeadlineExceeded     no answer within the timeout of `put()`
        ├── AccessDenied         this caller may not call the gateway
        └── StreamBroken         the stream ended for another reason before every request was answered
            └── ProtocolError    an answer that belongs to no request, or missing answers

A dial request that is refused is not an error but a `DialResult`. Each error has the tokens without an answer
in `unanswered`. Send those requests again with the same tokens; nobody is dialed twice by that. Amazon
Connect may have those that are also in `in_doubt`; the others were never sent. No error contains a phone
number or an attribute. The gRPC error, if there is one, is the `__cause__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import grpc

from dialgateway._status_details import NO_DETAILS, StatusDetails


class DialGatewayError(Exception):
    """Any failure of a call to the gateway.

    `unanswered` has the tokens without an answer, oldest first; `in_doubt` has those of them that Amazon
    Connect may have, because they were sent.
    """

    def __init__(self, message: str, unanswered: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.unanswered: tuple[str, ...] = tuple(unanswered)
        self.in_doubt: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.unanswered:
            return str(self.args[0])
        return f"{self.args[0]} (unanswered dial requests: {len(self.unanswered)})"


class ClientClosed(DialGatewayError):  # noqa: N818 - named after what happened, like the others
    """The client was closed before or during the call."""


class CallFailed(DialGatewayError):  # noqa: N818
    """The gateway or the connection ended the call. `code` is the gRPC status, None if there was none.

    `reason` is why the gateway ended it, such as "STREAM_LIMIT": the values of `ErrorReason` in
    error_reason.proto. It is empty if gRPC, a proxy or a broken connection ended the call. `retry_after` is
    how long to wait before the next call, if the gateway says so.
    """

    def __init__(
        self,
        message: str,
        unanswered: Sequence[str] = (),
        code: grpc.StatusCode | None = None,
        *,
        reason: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, unanswered)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after


class GatewayUnavailable(CallFailed):
    """The gateway is shutting down, or was unreachable for longer than the retry policy allows."""


class GatewayOverloaded(CallFailed):
    """The gateway has no room for this call, or a message was too large for it."""


class DeadlineExceeded(CallFailed):
    """The timeout of `put()` ended. Amazon Connect may have the requests: send the same tokens again."""


class AccessDenied(CallFailed):
    """The gateway does not serve this caller."""


class StreamBroken(CallFailed):
    """The stream ended before every request was answered, for a reason that no other error names."""


class ProtocolError(StreamBroken):
    """The gateway broke the contract: an answer belongs to no request, or answers are missing."""


_BY_CODE: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.UNAVAILABLE: GatewayUnavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: GatewayOverloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
}


_HINTS = (
    (
        ("WRONG_VERSION_NUMBER",),
        "the gateway's port speaks without TLS, and this client with TLS",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED",),
        "the gateway's certificate is not of the authority that this client trusts, or not for this name",
    ),
    (
        ("Method not found",),
        "the gateway is older than this call: update it",
    ),
    (
        ("failed to connect", "Socket closed"),
        "the gateway closed the connection at once: its port may expect TLS, or a certificate of the client,"
        " or it has no room for another connection",
    ),
)
"""What errors of gRPC's core mean to a caller: parts of its text, and the words for them."""


def _explained(details: str) -> str:
    for parts, words in _HINTS:
        if all(part in details for part in parts):
            return f"{details} ({words})"
    return details


def from_status(
    code: grpc.StatusCode,
    text: str | None,
    unanswered: Sequence[str] = (),
    details: StatusDetails = NO_DETAILS,
) -> CallFailed:
    """Return the error for a gRPC status. Raise it `from` the gRPC error, to keep the cause."""
    kind, reason = _BY_CODE.get(code, StreamBroken), details.reason
    name = f"{code.name} ({reason})" if reason not in {"", code.name} else code.name
    message = f"{name}: {_explained(text) if text else 'no details'}"
    return kind(message, unanswered, code, reason=reason, retry_after=details.retry_after)
