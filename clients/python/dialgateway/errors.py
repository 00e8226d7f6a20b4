"""What can go wrong between a caller and the gateway.

    DialGatewayError
    ├── ClientClosed             the client was closed while the call was under way, or before it
    └── CallFailed               the gateway, or the way to it, ended the call
        ├── GatewayUnavailable   not reachable, or leaving: open a new stream
        ├── GatewayOverloaded    no room for this call, or a message too large
        ├── DeadlineExceeded     no answer within the time-out of `put()`
        ├── AccessDenied         this caller may not call the gateway
        └── StreamBroken         ended in any other way before every request was answered
            └── ProtocolError    an answer that belongs to no request, or answers missing

One dial request that is refused is no error: it is a `DialResult`. Each error names in `unanswered` the
tokens that have no answer. Send those again *with the same tokens*: nobody is rung twice by that. Amazon
Connect may have those that are also in `in_doubt`; the others were never sent.
No error holds a phone number or an attribute. The grpc error, where there is one, is its `__cause__`.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc


class DialGatewayError(Exception):
    """Any failure of a call to the gateway. `unanswered` holds the tokens without an answer, oldest first.

    `in_doubt` holds those of them that Amazon Connect may have, because they were sent before.
    """

    def __init__(self, message: str, unanswered: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.unanswered: tuple[str, ...] = tuple(unanswered)
        self.in_doubt: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.unanswered:
            return str(self.args[0])
        return f"{self.args[0]} (unanswered dial requests: {len(self.unanswered)})"


class ClientClosed(DialGatewayError):  # noqa: N818 - says what happened, like the others
    """The client was closed while the call was under way, or before it."""


class CallFailed(DialGatewayError):  # noqa: N818
    """The gateway, or the way to it, ended the call. `code` is the gRPC status, None where there was none."""

    def __init__(
        self, message: str, unanswered: Sequence[str] = (), code: grpc.StatusCode | None = None
    ) -> None:
        super().__init__(message, unanswered)
        self.code = code


class GatewayUnavailable(CallFailed):
    """The gateway cannot be reached, or was not for as long as the retry policy allows."""


class GatewayOverloaded(CallFailed):
    """The gateway has no room for this call, or a message was too large for it."""


class DeadlineExceeded(CallFailed):
    """The time-out of `put()` passed first. Amazon Connect may have the requests: send the same tokens."""


class AccessDenied(CallFailed):
    """The gateway does not serve this caller."""


class StreamBroken(CallFailed):
    """The stream ended before every request was answered, in a way that none of the other errors names."""


class ProtocolError(StreamBroken):
    """The gateway broke the contract: an answer that belongs to no request, or answers missing."""


_BY_CODE: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.UNAVAILABLE: GatewayUnavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: GatewayOverloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
}


def from_status(code: grpc.StatusCode, details: str | None, unanswered: Sequence[str] = ()) -> CallFailed:
    """Translate the gRPC status that ended a call. Raise it `from` the grpc error, to keep the cause."""
    kind = _BY_CODE.get(code, StreamBroken)
    return kind(f"{code.name}: {details or 'no details'}", unanswered, code)
