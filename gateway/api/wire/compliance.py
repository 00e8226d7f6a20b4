"""Converts between the messages of ComplianceService and what the gateway does with numbers and checks."""

from google.protobuf.timestamp_pb2 import Timestamp

from dialgateway.v1 import compliance_service_pb2 as pb
from gateway.api.wire.campaigns import confirmation
from gateway.control.suppressions import Lifetime, NumberDone
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


def suppressed(done: NumberDone) -> pb.SuppressNumberResponse:
    """Return the response to a suppression."""
    return pb.SuppressNumberResponse(
        number_hash=done.number_hash,
        already_suppressed=done.existed,
        lifetime=_LIFETIMES[done.lifetime],
        confirmation=confirmation(done.fleet),
    )


def allowed(done: NumberDone) -> pb.AllowNumberResponse:
    """Return the response to the end of a suppression."""
    return pb.AllowNumberResponse(number_hash=done.number_hash, confirmation=confirmation(done.fleet))


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
    if instant is None:
        return None
    whole = int(instant // 1)
    return Timestamp(seconds=whole, nanos=int((instant - whole) * 1e9))
