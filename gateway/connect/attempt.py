"""Bounds one attempt of a direct call: by its time-out, and by its ticket."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.connect.ticket import Ticket
from gateway.core import errors

T = TypeVar("T")


async def attempt(work: Awaitable[T], ticket: Ticket, timeout_s: float) -> T:
    """Do the work of an attempt within its time, or until the ticket is revoked before all bytes have left.

    Then the work is cancelled. Raises `CallRevoked` if nothing left, and `AnswerLost` or `ConnectUnreachable`
    at the end of the time. The ticket is of no use after this.
    """
    revoked, over = False, False

    def stop() -> None:
        nonlocal revoked
        revoked = True
        if not over:
            limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(timeout_s) as limit:
            ticket.on_revoke(stop)
            try:
                return await work
            finally:
                over = True
    except TimeoutError:
        if not limit.expired():
            raise
        if revoked and not ticket.may_have_left:
            raise errors.CallRevoked from None
        raise (errors.ConnectUnreachable() if ticket.revoke() else errors.AnswerLost()) from None
    finally:
        ticket.revoke()
