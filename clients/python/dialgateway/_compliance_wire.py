"""Convert between the messages of ComplianceService and the values of this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dialgateway._campaign_wire import confirmation
from dialgateway._wire import MESSAGE_BYTES, by_number, put_message
from dialgateway.campaigns import Confirmation
from dialgateway.compliance import (
    DialCheck,
    DialChecks,
    DialCheckVerdict,
    NumberAllowed,
    NumberCheck,
    NumberChecks,
    NumberList,
    NumberStatus,
    NumberSuppressed,
    ObservedRule,
    SuppressionLifetime,
)
from dialgateway.errors import ProtocolError
from dialgateway.v1 import compliance_service_pb2 as pb
from dialgateway.v1 import dial_request_service_pb2 as dial_pb
from dialgateway.values import DialRequest, Priority, Reason

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

CHECKED_AT_ONCE, CHECKED_BYTES = 1_000, MESSAGE_BYTES // 4
"""Dial requests or numbers in one call, and about how many bytes the dial requests may have."""

_VERDICTS = by_number(pb.DialCheckVerdict, DialCheckVerdict, "DIAL_CHECK_VERDICT_")
_STATUSES = by_number(pb.NumberCheckStatus, NumberStatus, "NUMBER_CHECK_STATUS_")
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


def number_messages(phone_numbers: Sequence[str], reason: str) -> Iterator[pb.CheckNumbersRequest]:
    """Yield the messages that look numbers up, at least one."""
    for first in range(0, max(1, len(phone_numbers)), CHECKED_AT_ONCE):
        part = phone_numbers[first : first + CHECKED_AT_ONCE]
        yield pb.CheckNumbersRequest(phone_numbers=part, reason=reason)


def numbers_checked(asked: int, responses: Sequence[pb.CheckNumbersResponse]) -> NumberChecks:
    """Convert the responses about `asked` numbers. Raises ProtocolError if one was left out."""
    found = [one for response in responses for one in response.checks]
    if len(found) != asked:
        raise ProtocolError("the gateway has not told about each number")
    last = responses[-1]
    return NumberChecks(
        tuple(_number(index, one) for index, one in enumerate(found)),
        last.suppressed_by_operators,
        all(response.complete for response in responses),
        _by_all([confirmation(response) for response in responses]),
        tuple(NumberList(one.name, tuple(one.enforced_by), tuple(one.observed_by)) for one in last.lists),
        last.guard_version,
    )


def _by_all(told: Sequence[Confirmation | None]) -> Confirmation | None:
    """Join confirmations: a replica is unconfirmed if any of them says so. None if there are none."""
    known = [one for one in told if one is not None]
    if not known:
        return None
    missing = {name for one in known for name in one.unconfirmed}
    confirmed = {name for one in known for name in one.confirmed} - missing
    only_here = any(one.only_here for one in known)
    return Confirmation(tuple(sorted(confirmed)), tuple(sorted(missing)), only_here)


def _number(index: int, message: pb.NumberCheck) -> NumberCheck:
    return NumberCheck(
        index,
        _STATUSES.get(message.status, NumberStatus.UNSPECIFIED),
        message.number_hash,
        _instant(message.suppressed_at) if message.HasField("suppressed_at") else None,
        message.suppressed_by,
        message.reason,
        _LIFETIMES.get(message.lifetime, SuppressionLifetime.UNSPECIFIED),
        message.on_all_replicas,
        tuple(message.lists),
        message.detail,
    )


def check_messages(
    campaign_id: str, requests: Sequence[DialRequest]
) -> Iterator[tuple[int, pb.CheckDialRequestsRequest]]:
    """Yield the messages that check a list, each with the position of its first request."""
    first = 0
    while first < len(requests):
        end, size = first, 0
        while end < len(requests) and end - first < CHECKED_AT_ONCE:
            size += requests[end].max_bytes
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
