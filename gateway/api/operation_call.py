"""Completes the operations that calls ask for, and ends calls whose operation is refused or fails."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import grpc

from gateway.api.wire.campaigns import BadRequest
from gateway.api.wire.status_details import Abortable, ErrorReason, end_call
from gateway.control.operations import (
    DirectoryUnread,
    HoldLimitReached,
    InvalidOperation,
    NotOnHold,
    OperationError,
    ReleaseNotShared,
    UnclearName,
    UnknownCampaign,
)
from gateway.control.suppressions import (
    EndNotShared,
    NotSuppressed,
    SuppressionLimitReached,
    SuppressionNotKept,
    SuppressionNotShared,
    SuppressionsUnread,
)
from gateway.runtime.supervision import trace_of

log = logging.getLogger(__name__)

_BUG = "a call about campaigns or numbers met a bug:\n%s"
REASONS: dict[type[OperationError], ErrorReason] = {
    InvalidOperation: ErrorReason.INVALID_FIELD,
    UnknownCampaign: ErrorReason.CAMPAIGN_NOT_FOUND,
    UnclearName: ErrorReason.AMBIGUOUS_NAME,
    DirectoryUnread: ErrorReason.DIRECTORY_UNREAD,
    NotOnHold: ErrorReason.NOT_HELD,
    HoldLimitReached: ErrorReason.HOLD_LIMIT,
    ReleaseNotShared: ErrorReason.SHARED_STATE_UNREACHABLE,
    NotSuppressed: ErrorReason.NOT_SUPPRESSED,
    SuppressionLimitReached: ErrorReason.SUPPRESSION_LIMIT,
    SuppressionNotShared: ErrorReason.SHARED_STATE_UNREACHABLE,
    SuppressionsUnread: ErrorReason.SHARED_STATE_UNREACHABLE,
    EndNotShared: ErrorReason.SHARED_STATE_UNREACHABLE,
    SuppressionNotKept: ErrorReason.SUPPRESSION_NOT_KEPT,
}
_REFUSALS = (BadRequest, OperationError, grpc.aio.AbortError)
"""What ends a call without a bug of the gateway."""

Response = TypeVar("Response")


async def completed(operation: Coroutine[Any, Any, Response], context: Abortable) -> Response:
    """Return the response of an operation; end the call if the operation is refused or fails.

    The operation and its audit record are completed even if the caller disconnects.
    """
    running = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(_ended_alone)
        raise
    except BadRequest as bad:
        await end_call(context, ErrorReason.INVALID_FIELD, str(bad))
    except OperationError as refused:
        await end_call(context, REASONS[type(refused)], str(refused))
    except grpc.aio.AbortError:
        raise
    except Exception as bug:  # noqa: BLE001 - gRPC would send and log its text
        await end_after_bug(bug, context)


async def end_after_bug(bug: Exception, context: Abortable) -> NoReturn:
    """End a call without the text of the exception, which may contain personal data."""
    log.error(_BUG, trace_of(bug))
    await end_call(context, ErrorReason.INTERNAL, "an internal error of the gateway; see its log")


def _ended_alone(running: "asyncio.Future[Any]") -> None:
    """Log the bug of a call whose caller has disconnected. Refusals need no report."""
    found = None if running.cancelled() else running.exception()
    if isinstance(found, Exception) and not isinstance(found, _REFUSALS):
        log.error(_BUG, trace_of(found))
