"""Converts dial requests, answers and notices between protobuf and the core's model."""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson
from google.protobuf.duration_pb2 import Duration

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire.channels import channel_of
from gateway.core.attributes import NO_ATTRIBUTES, Attributes
from gateway.core.intake.validation import problem_with_attributes
from gateway.core.model import CampaignNotice, DialRequest, NoticeKind, Outcome, Priority, Settled

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

LATEST_S = 253_402_300_800
"""The end of the year 9999 in seconds since the epoch: the limit of protobuf's timestamps."""
TOKEN_ALONE = 1000
"""An answer whose token has more characters is sent in a separate message. A valid token has at most 200."""
PACKED_BYTES = 35
"""Memory, in bytes, of packed attributes in addition to their text."""
_ACCEPTED = Outcome.ACCEPTED  # looked up once: used for every answer
_SIZES = tuple(range(2048))
"""Usual sizes of dial requests, made once: a number of its own for each request takes 32 bytes."""


def dial_request(campaign_id: str, message: pb.DialRequest) -> DialRequest:
    """Convert one dial request. It is not validated yet."""
    expiration = None
    if message.HasField("expiration_time"):
        stated = message.expiration_time
        expiration = _expiration(stated.seconds, stated.nanos)
    attributes, size = _attributes(message)
    channel = None
    kind = message.WhichOneof("channel")
    if kind is not None:
        channel, channel_bytes = channel_of(message, kind)
        size += channel_bytes
    return DialRequest(
        campaign_id,
        message.client_token,
        message.phone_number,
        attributes,
        expiration,
        _SIZES[size] if size < len(_SIZES) else size,
        message.in_doubt,
        channel,
    )


def _attributes(message: pb.DialRequest) -> tuple[Attributes, int]:
    """Return the attributes of a dial request, packed if they are valid, and its size in memory in bytes."""
    size, values = message.ByteSize(), message.attributes
    if not values:
        return NO_ATTRIBUTES, size
    # Not `dict(values)`: protobuf's map gives it keys and values by Python code.
    attributes = {name: values[name] for name in values}
    if problem_with_attributes(attributes) is not None:
        return attributes, size  # they are refused at once, with this problem
    # A copy, because orjson's own object keeps the buffer that it was written into: four kilobytes or more.
    encoded = bytes(memoryview(orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS)))
    # The text is about as long as on the wire, unless many characters are escaped.
    return encoded, max(size, len(encoded)) + PACKED_BYTES


def responses(answers: Iterable[Settled]) -> list[pb.StreamDialRequestsResponse]:
    """Return the messages for answers: one for each campaign, and one for each overlong token.

    Only a refused request has an overlong token. Many of them could exceed the caller's size limit of a
    message.
    """
    by_campaign: dict[str, pb.StreamDialRequestsResponse] = {}
    alone: list[pb.StreamDialRequestsResponse] = []
    for settled in answers:
        response = by_campaign.get(settled.campaign_id)
        if len(settled.client_token) > TOKEN_ALONE:
            response = pb.StreamDialRequestsResponse(campaign_id=settled.campaign_id)
            alone.append(response)
        elif response is None:
            response = pb.StreamDialRequestsResponse(campaign_id=settled.campaign_id)
            by_campaign[settled.campaign_id] = response
        add_result(response.results, settled)
    return [*by_campaign.values(), *alone]


def add_result(results: "RepeatedCompositeFieldContainer[pb.DialResult]", settled: Settled) -> None:
    """Add the result message of one answer to a list of a response."""
    waiter, _, client_token, answer = settled
    result = results.add(
        client_token=client_token,
        index=waiter.index,
        outcome=answer.outcome,
        dial_request_id=answer.dial_request_id,
        attempts=answer.attempts,
        trace_id=answer.trace_id or waiter.trace_id,
    )
    if answer.replayed:
        result.replayed = True
    if answer.outcome is not _ACCEPTED:  # each field costs time, and most answers are ACCEPTED
        result.reason = answer.reason  # type: ignore[assignment]
        result.detail = answer.detail
        result.retry_advice = answer.advice  # type: ignore[assignment]
        if answer.retry_after_s is not None:
            result.retry_after.CopyFrom(_duration(answer.retry_after_s))


def notice(campaign_id: str, content: CampaignNotice) -> pb.StreamDialRequestsResponse:
    """Return the message of a notice. `campaign_id` is empty for a notice about the whole gateway."""
    return pb.StreamDialRequestsResponse(
        campaign_id=campaign_id,
        notice=pb.Notice(
            kind=content.kind,  # type: ignore[arg-type]
            retry_after=None if content.retry_after_s is None else _duration(content.retry_after_s),
            detail=content.detail,
        ),
    )


def priority(number: int) -> Priority:
    """Return the priority of a message, NORMAL for a number that this version does not know."""
    return _PRIORITIES.get(number, Priority.NORMAL)


_PRIORITIES: dict[int, Priority] = {pb.PRIORITY_HIGH: Priority.HIGH, pb.PRIORITY_BULK: Priority.BULK}

DRAINING = CampaignNotice(
    NoticeKind.DRAINING,
    None,
    "this replica is shutting down: send the requests without a result on a new stream",
)

AGED = CampaignNotice(
    NoticeKind.DRAINING,
    None,
    "this stream has reached its age limit: send the requests without a result on a new one",
)


@lru_cache(maxsize=256)
def _expiration(seconds: int, nanos: int) -> float | None:
    """Return an expiration in seconds since the epoch; None for one that is no time.

    Most requests of a list expire at the same time. So they share this number, which saves 32 bytes and some
    time for each.
    """
    instant = seconds + nanos * 1e-9  # which may round up to the next second
    legal = seconds >= 0 and 0 <= nanos < 1_000_000_000 and instant < LATEST_S
    return instant if legal else None


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
