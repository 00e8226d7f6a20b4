"""Converts between the messages of ComplianceService and what the gateway does with numbers and checks."""

import asyncio

from google.protobuf.timestamp_pb2 import Timestamp

from dialgateway.v1 import compliance_service_pb2 as pb
from gateway.api.wire.campaigns import confirmation
from gateway.compliance.number_lookup import NumberStatus
from gateway.control.number_checks import NumberChecked, NumbersChecked
from gateway.control.suppressions import Lifetime, NumberResult
from gateway.core.intake.dry_run import Checked, CheckedKind

_VERDICTS = {
    CheckedKind.SEND: pb.DIAL_CHECK_VERDICT_SEND,
    CheckedKind.WAIT: pb.DIAL_CHECK_VERDICT_WAIT,
    CheckedKind.NOT_ACCEPT: pb.DIAL_CHECK_VERDICT_NOT_ACCEPT,
    CheckedKind.REJECT: pb.DIAL_CHECK_VERDICT_REJECT,
}
_LIFETIMES = {
    Lifetime.SHARED: pb.SUPPRESSION_LIFETIME_SHARED,
    Lifetime.FILE: pb.SUPPRESSION_LIFETIME_FILE,
    Lifetime.PROCESS: pb.SUPPRESSION_LIFETIME_PROCESS,
}
_STATUSES = {
    NumberStatus.NOT_SUPPRESSED: pb.NUMBER_CHECK_STATUS_NOT_SUPPRESSED,
    NumberStatus.SUPPRESSED: pb.NUMBER_CHECK_STATUS_SUPPRESSED,
    NumberStatus.LISTED: pb.NUMBER_CHECK_STATUS_LISTED,
    NumberStatus.UNKNOWN: pb.NUMBER_CHECK_STATUS_UNKNOWN,
    NumberStatus.INVALID: pb.NUMBER_CHECK_STATUS_INVALID,
}
CONVERTED_AT_ONCE = 100
"""How many checks of numbers are converted without a pause: about a millisecond."""


def suppressed(done: NumberResult) -> pb.SuppressNumberResponse:
    """Return the response to a suppression."""
    return pb.SuppressNumberResponse(
        number_hash=done.number_hash,
        already_suppressed=done.existed,
        lifetime=_LIFETIMES[done.lifetime],
        confirmation=confirmation(done.fleet),
    )


def allowed(done: NumberResult) -> pb.AllowNumberResponse:
    """Return the response to the end of a suppression."""
    return pb.AllowNumberResponse(number_hash=done.number_hash, confirmation=confirmation(done.fleet))


async def numbers_checked(done: NumbersChecked, guard_version: str) -> pb.CheckNumbersResponse:
    """Return the response to a look-up of numbers."""
    response = pb.CheckNumbersResponse(
        suppressed_by_operators=done.suppressed,
        complete=done.complete,
        confirmation=confirmation(done.fleet),
        guard_version=guard_version,
    )
    for name, rules in done.lists.items():
        response.lists.add(name=name, enforced_by=rules.enforced_by, observed_by=rules.observed_by)
    for index, checked in enumerate(done.checks):
        _add_number(response, index, checked)
        if index % CONVERTED_AT_ONCE == CONVERTED_AT_ONCE - 1:
            await asyncio.sleep(0)  # let other tasks run
    return response


def _add_number(response: pb.CheckNumbersResponse, index: int, checked: NumberChecked) -> None:
    check = response.checks.add(
        index=index,
        status=_STATUSES[checked.status],
        number_hash=checked.number_hash,
        on_all_replicas=checked.everywhere,
        lists=checked.lists,
        detail=checked.problem,
    )
    if checked.details is not None and checked.lifetime is not None:
        at, check.suppressed_by, check.reason = checked.details
        check.lifetime = _LIFETIMES[checked.lifetime]
        if at:
            check.suppressed_at.CopyFrom(_instant(at))


def add_check(response: pb.CheckDialRequestsResponse, client_token: str, checked: Checked) -> None:
    """Add what would happen to a dial request to a response."""
    check = response.checks.add(
        client_token=client_token,
        index=len(response.checks),
        verdict=_VERDICTS[checked.kind],
        reason=checked.reason,
        detail=checked.detail,
        rule=checked.rule,
        not_before=_timestamp(checked.not_before),
        allowed_until=_timestamp(checked.allowed_until),
    )
    for one in checked.observed:
        check.observed.add(
            rule=one.rule,
            verdict=_VERDICTS[one.kind],
            reason=one.reason,
            detail=one.detail,
        )


def _timestamp(instant: float | None) -> Timestamp | None:
    """Return an instant in seconds since the epoch as a message."""
    return None if instant is None else _instant(instant)


def _instant(instant: float) -> Timestamp:
    whole = int(instant // 1)
    return Timestamp(seconds=whole, nanos=int((instant - whole) * 1e9))
