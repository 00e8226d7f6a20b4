"""What both clients' streams know of one `dial()` beside its `Delivery`."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialgateway._delivery import Delivery
from dialgateway._link import Link
from dialgateway.errors import CallFailed, DialGatewayError
from dialgateway.values import Notice, Priority

Metadata = Sequence[tuple[str, str | bytes]]
OnNotice = Callable[[Notice], None]

GOODBYE_SECONDS = 1.0
"""How long the gateway may take to end a stream that has all its answers, before it is cancelled instead."""

_log = logging.getLogger("dialgateway")
# Notices that wait for a caller who reads nothing; the oldest go first.
_NOTICES = 256


@dataclass(frozen=True, slots=True)
class Dial:
    """Campaign, priority and metadata of one call, and the clock that its waiting is on, in seconds.

    `sign_of_life_s`: after so many seconds without a message, a stream that waits for answers sends an empty
    one. Pings reach only the next proxy. A message goes to the gateway, so it shows proxies on the way that
    the stream is in use, and makes them report a gateway that has ended.
    """

    campaign_id: str
    priority: Priority
    metadata: Metadata
    clock: Callable[[], float] = time.monotonic
    sign_of_life_s: float = 30.0


def notices() -> deque[Notice]:
    """Make the queue of notices for a caller."""
    return deque(maxlen=_NOTICES)


def complete(failure: BaseException, delivery: Delivery) -> BaseException:
    """Name in an error of ours what has no answer, and return it."""
    if isinstance(failure, DialGatewayError):
        failure.unanswered, failure.in_doubt = delivery.unanswered, delivery.in_doubt
    return failure


def tell_of(failure: CallFailed | None, link: Link) -> None:
    """Log that a connection has ended, unless that was to be expected."""
    complete = link.half_closed and not link.sent
    if failure is not None and not link.draining and not complete:
        _log.warning("a connection to the gateway ended: %s", failure.args[0])
