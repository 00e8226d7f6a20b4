"""Helpers that the streams of both clients share."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialgateway._dial_state import DialState
from dialgateway._link import Link
from dialgateway.errors import CallFailed, DialGatewayError
from dialgateway.values import Notice, Priority

Metadata = Sequence[tuple[str, str | bytes]]
OnNotice = Callable[[Notice], None]

STREAM_END_S = 1.0
"""Seconds that the gateway has to end a stream after its last answer, before the client cancels it."""

_log = logging.getLogger("dialgateway")
# Notices kept for a caller that does not read; the oldest are dropped first.
_MAX_NOTICES = 256


@dataclass(frozen=True, slots=True)
class CallContext:
    """Campaign, priority and metadata of one call, and the monotonic clock of its waits, in seconds.

    After `idle_message_s` seconds without a message, a stream that waits for answers sends an empty one. A
    ping reaches only the next proxy. A message reaches the gateway, so proxies see that the stream is in use,
    and report it if the gateway has ended.
    """

    campaign_id: str
    priority: Priority
    metadata: Metadata
    clock: Callable[[], float] = time.monotonic
    idle_message_s: float = 30.0


def new_notice_queue() -> deque[Notice]:
    """Return an empty, bounded queue for the caller's notices."""
    return deque(maxlen=_MAX_NOTICES)


def with_unanswered(failure: BaseException, state: DialState) -> BaseException:
    """Add to one of the client's errors the tokens that have no answer, and return it."""
    if isinstance(failure, DialGatewayError):
        failure.unanswered, failure.in_doubt = state.unanswered, state.in_doubt
    return failure


def log_lost_connection(failure: CallFailed | None, link: Link) -> None:
    """Log that a connection has ended, unless that was expected."""
    finished = link.half_closed and not link.sent
    if failure is not None and not link.draining and not finished:
        _log.warning("a connection to the gateway ended: %s", failure.args[0])
