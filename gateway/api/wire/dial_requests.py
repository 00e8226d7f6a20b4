"""Converts dial requests, answers and notices between protobuf and the core's model."""

from collections.abc import Iterable
from functools import lru_cache

import orjson
from google.protobuf.duration_pb2 import Duration

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.core.attributes import NO_ATTRIBUTES, Attributes
from gateway.core.intake.validation import problem_with_attributes
from gateway.core.model import CampaignNotice, DialRequest, NoticeKind, Priority, Settled

LATEST_S = 253_402_300_800
"""The end of the year 9999 in seconds since the epoch: the limit of protobuf's timestamps."""
TOKEN_ALONE = 1000
"""An answer whose token has more characters is sent in a separate message. A valid token has at most 200."""
PACKED_BYTES = 35
"""Memory, in bytes, of packed attributes in addition to their text."""
_SIZES = tuple(range(2048))
"""Usual sizes of dial requests, made once: a number of its own for each request takes 32 bytes."""


def dial_request(campaign_id: str, message: pb.DialRequest, expiry_offset: float) -> DialRequest:
    """Convert one dial request. It is not validated yet.

    `expiry_offset` is the number of seconds to add to seconds since the epoch to get an instant on the scale
    of expiries.
    """
    expiration, expires_at = _NO_EXPIRATION
    if message.HasField("expiration_time"):
        stated = message.expiration_time
        expiration, expires_at = _expiration(stated.seconds, stated.nanos, expiry_offset)
    attributes, size = _attributes(message)
    return DialRequest(
        campaign_id,
        message.client_token,
        message.phone_number,
        attributes,
        expiration,
        expires_at,
        _SIZES[size] if size < len(_SIZES) else size,
        message.in_doubt,
    )


def _attributes(message: pb.DialRequest) -> tuple[Attributes, int]:
    """Return the attributes of a dial request, packed if they are valid, and its size in memory in bytes."""
    size, values = message.ByteSize(), message.attributes
    if not values:
        return NO_ATTRIBUTES, size
    attributes = dict(values)
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
    by_campaign: dict[str, list[pb.DialResult]] = {}
    alone: list[Settled] = []
    for settled in answers:
        if len(settled.client_token) > TOKEN_ALONE:
            alone.append(settled)
            continue
        by_campaign.setdefault(settled.campaign_id, []).append(result(settled))
    return [
        pb.StreamDialRequestsResponse(campaign_id=campaign_id, results=results)
        for campaign_id, results in by_campaign.items()
    ] + [
        pb.StreamDialRequestsResponse(campaign_id=settled.campaign_id, results=[result(settled)])
        for settled in alone
    ]


def result(settled: Settled) -> pb.DialResult:
    """Return the result message of one answer."""
    waiter, _, client_token, answer = settled
    return pb.DialResult(
        client_token=client_token,
        index=waiter.index,
        outcome=answer.outcome,  # type: ignore[arg-type] # the model's numbers are the contract's
        dial_request_id=answer.dial_request_id,
        reason=answer.reason,  # type: ignore[arg-type]
        detail=answer.detail,
        retry_advice=answer.advice,  # type: ignore[arg-type]
        retry_after=_duration(answer.retry_after_s),
        attempts=answer.attempts,
        replayed=answer.replayed,
        trace_id=answer.trace_id or waiter.trace_id,
    )


def notice(campaign_id: str, content: CampaignNotice) -> pb.StreamDialRequestsResponse:
    """Return the message of a notice. `campaign_id` is empty for a notice about the whole gateway."""
    return pb.StreamDialRequestsResponse(
        campaign_id=campaign_id,
        notice=pb.Notice(
            kind=content.kind,  # type: ignore[arg-type]
            retry_after=_duration(content.retry_after_s),
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
    "this replica is leaving: open a new stream and send there what has no result here",
)

AGED = CampaignNotice(
    NoticeKind.DRAINING,
    None,
    "this stream has reached its age: open a new one and send there what has no result here",
)


_NO_EXPIRATION: tuple[float | None, float] = (None, 0.0)


@lru_cache(maxsize=256)
def _expiration(seconds: int, nanos: int, expiry_offset: float) -> tuple[float | None, float]:
    """Return an expiration in seconds since the epoch and on the scale of expiries.

    Most requests of a list expire at the same time. So they share these two numbers, which saves 64 bytes and
    some time for each.
    """
    instant = seconds + nanos * 1e-9  # which may round up to the next second
    legal = seconds >= 0 and 0 <= nanos < 1_000_000_000 and instant < LATEST_S
    return (instant, instant + expiry_offset) if legal else _NO_EXPIRATION


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
