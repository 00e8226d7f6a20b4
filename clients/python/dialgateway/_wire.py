"""Convert between the messages of DialRequestService and the values of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration

from dialgateway._channel_wire import add_channel
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.values import (
    DialRequest,
    DialResult,
    Notice,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    RetryAdvice,
)

MESSAGE_BYTES = 4 << 20
"""The largest message that a gateway reads, in bytes. A larger one ends the stream."""
DIAL_REQUEST_BYTES = 256 << 10
"""The largest dial request that a gateway accepts, in bytes; a larger one is REJECTED."""
USUAL_MESSAGE_BYTES = 1 << 20
"""The largest message with several requests, in bytes. Proxies often have limits above that."""
# The bytes of a message besides the request and the campaign id: field tags, lengths, priority.
_FRAME_BYTES = 32

# The bytes of the field `in_doubt`.
_MARK_BYTES = 2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Named = TypeVar("_Named", bound=StrEnum)


class _WireEnum(Protocol):
    def items(self) -> Iterable[tuple[str, int]]: ...


def by_number(wire: _WireEnum, values: type[_Named], prefix: str) -> dict[int, _Named]:
    """Return the enum values by their number on the wire. A newer contract may have more."""
    names = {prefix + value.name: value for value in values}
    return {number: names[name] for name, number in wire.items() if name in names}


_PRIORITIES = {
    Priority.NORMAL: pb.PRIORITY_NORMAL,
    Priority.HIGH: pb.PRIORITY_HIGH,
    Priority.BULK: pb.PRIORITY_BULK,
}
_OUTCOMES = by_number(pb.Outcome, Outcome, "OUTCOME_")
_REASONS = by_number(pb.Reason, Reason, "REASON_")
_ADVICE = by_number(pb.RetryAdvice, RetryAdvice, "RETRY_ADVICE_")
_KINDS = by_number(pb.NoticeKind, NoticeKind, "NOTICE_KIND_")


def largest_request(campaign_id: str) -> int:
    """Return how many bytes one request of a campaign may take."""
    room = MESSAGE_BYTES - _FRAME_BYTES - len(campaign_id.encode(errors="replace"))
    return min(room, DIAL_REQUEST_BYTES)


def size_of(request: DialRequest) -> int:
    """Return how many bytes a request takes in a message, with `in_doubt`, which may be set later."""
    message = pb.PutDialRequestsRequest()
    _fill(message.dial_requests.add, (request,))
    return message.dial_requests[0].ByteSize() + (0 if request.in_doubt else _MARK_BYTES)


def check_size(message: pb.PutDialRequestsRequest) -> None:
    """Raise ValueError for a list that is larger than the messages that a gateway reads."""
    size = message.ByteSize() + _MARK_BYTES * len(message.dial_requests)
    if size > MESSAGE_BYTES:
        raise ValueError(
            f"requests: the list takes {size:,} bytes as one message, at most {MESSAGE_BYTES:,} are read; "
            "send it by dial()"
        )


def stream_message(
    campaign_id: str, requests: Iterable[DialRequest], priority: Priority
) -> pb.StreamDialRequestsRequest:
    """Return a message of the stream."""
    message = pb.StreamDialRequestsRequest(campaign_id=campaign_id, priority=_PRIORITIES[priority])
    _fill(message.dial_requests.add, requests)
    return message


def put_message(
    campaign_id: str, requests: Iterable[DialRequest], priority: Priority
) -> pb.PutDialRequestsRequest:
    """Return the message of the unary call."""
    message = pb.PutDialRequestsRequest(campaign_id=campaign_id, priority=_PRIORITIES[priority])
    _fill(message.dial_requests.add, requests)
    return message


def _fill(add: Callable[..., pb.DialRequest], requests: Iterable[DialRequest]) -> None:
    # This runs once per request. Setting the timestamp's fields is faster than copying a message.
    for request in requests:
        since_epoch = request.expires_at - _EPOCH
        added = add(
            client_token=request.client_token,
            phone_number=request.phone_number,
            attributes=request.attributes,
            traceparent=request.traceparent,
            in_doubt=request.in_doubt,
        )
        if request.channel is not None:
            add_channel(added, request.channel)
        expiration = added.expiration_time
        expiration.seconds = since_epoch.days * 86_400 + since_epoch.seconds
        expiration.nanos = since_epoch.microseconds * 1_000


def results(messages: Iterable[pb.DialResult]) -> list[DialResult]:
    """Convert results. An outcome without a name here becomes UNKNOWN: Connect may have the request."""
    return [_result(message) for message in messages]


def _result(message: pb.DialResult) -> DialResult:
    return DialResult(
        message.client_token,
        message.index,
        _OUTCOMES.get(message.outcome, Outcome.UNKNOWN),
        message.dial_request_id,
        _REASONS.get(message.reason, Reason.UNSPECIFIED),
        message.detail,
        _ADVICE.get(message.retry_advice, RetryAdvice.UNSPECIFIED),
        _timedelta(message.retry_after) if message.HasField("retry_after") else None,
        message.attempts,
        message.replayed,
        message.trace_id,
        _unnamed(message),
    )


def _unnamed(message: pb.DialResult) -> tuple[tuple[str, int], ...]:
    if message.outcome in _OUTCOMES and message.reason in _REASONS and message.retry_advice in _ADVICE:
        return ()
    numbers = (
        ("outcome", int(message.outcome), message.outcome in _OUTCOMES),
        ("reason", int(message.reason), message.reason in _REASONS),
        ("retry_advice", int(message.retry_advice), message.retry_advice in _ADVICE),
    )
    return tuple((name, number) for name, number, named in numbers if not named)


def notice(message: pb.StreamDialRequestsResponse) -> Notice | None:
    """Return the notice of a response, None if it has none."""
    if not message.HasField("notice"):
        return None
    sent = message.notice
    return Notice(
        _KINDS.get(sent.kind, NoticeKind.UNSPECIFIED),
        message.campaign_id,
        _timedelta(sent.retry_after) if sent.HasField("retry_after") else None,
        sent.detail,
    )


def _timedelta(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1_000)
