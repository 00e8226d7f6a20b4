"""Convert between the messages of ComplianceService and the values of this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dialgateway._campaign_wire import confirmation
from dialgateway._wire import MESSAGE_BYTES, by_number, put_message
from dialgateway.compliance import (
    DialCheck,
    DialChecks,
    DialCheckVerdict,
    NumberAllowed,
    NumberSuppressed,
    ObservedRule,
    SuppressionLifetime,
)
from dialgateway.v1 import compliance_service_pb2 as pb
from dialgateway.v1 import dial_request_service_pb2 as dial_pb
from dialgateway.values import DialRequest, Priority, Reason

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

CHECKED_AT_ONCE, CHECKED_BYTES = 1_000, MESSAGE_BYTES // 4
"""Dial requests in one call of CheckDialRequests, and about how many bytes they may have."""

_VERDICTS = by_number(pb.DialCheckVerdict, DialCheckVerdict, "DIAL_CHECK_VERDICT_")
_LIFETIMES = by_number(pb.SuppressionLifetime, SuppressionLifetime, "SUPPRESSION_LIFETIME_")
_REASONS = by_number(dial_pb.Reason, Reason, "REASON_")


def suppressed(response: pb.SuppressNumberResponse) -> NumberSuppressed:
    """Convert the response to a suppression."""
    return NumberSuppressed(
        response.number_hash,
        response.already_suppressed,
        _LIFETIMES.get(response.lifetime, SuppressionLifetime.UNSPECIFIED),
        confirmation(response),
    )


def allowed(response: pb.AllowNumberResponse) -> NumberAllowed:
    """Convert the response to the end of a suppression."""
    return NumberAllowed(response.number_hash, confirmation(response))


def check_messages(
    campaign_id: str, requests: Sequence[DialRequest]
) -> Iterator[tuple[int, pb.CheckDialRequestsRequest]]:
    """Yield the messages that check a list, each with the position of its first request."""
    first = 0
    while first < len(requests):
        end, size = first, 0
        while end < len(requests) and end - first < CHECKED_AT_ONCE:
            size += requests[end].most_bytes
            if size > CHECKED_BYTES and end > first:
                break
            end += 1
        listed = put_message(campaign_id, requests[first:end], Priority.NORMAL).dial_requests
        yield first, pb.CheckDialRequestsRequest(campaign_id=campaign_id, dial_requests=listed)
        first = end


def checked(responses: Sequence[tuple[int, pb.CheckDialRequestsResponse]]) -> DialChecks:
    """Convert the responses for a list, each with the position of its first request."""
    checks = tuple(_check(first, message) for first, response in responses for message in response.checks)
    return DialChecks(checks, responses[-1][1].guard_version if responses else "")


def _check(first: int, message: pb.DialCheck) -> DialCheck:
    return DialCheck(
        message.client_token,
        first + message.index,
        _VERDICTS.get(message.verdict, DialCheckVerdict.UNSPECIFIED),
        _REASONS.get(message.reason, Reason.UNSPECIFIED),
        message.detail,
        message.rule,
        _instant(message.not_before) if message.HasField("not_before") else None,
        _instant(message.allowed_until) if message.HasField("allowed_until") else None,
        tuple(map(_observed, message.observed)),
    )


def _observed(message: pb.ObservedRule) -> ObservedRule:
    return ObservedRule(
        message.rule,
        _VERDICTS.get(message.verdict, DialCheckVerdict.UNSPECIFIED),
        _REASONS.get(message.reason, Reason.UNSPECIFIED),
        message.detail,
    )


def _instant(message: Timestamp) -> datetime:
    return message.ToDatetime(UTC)
