"""Divides each turn of the event loop among tasks that would otherwise all work in the same turn.

A turn of the loop runs every task that is ready. When forty streams each convert a message of 100 dial
requests, or send 500 answers, the turn takes the sum of their times, and nothing else runs meanwhile.
"""

import asyncio
from collections import deque


class LoopShare:
    """Lets tasks do at most about `units` of work in one turn of the event loop, first come, first served.

    One task may do more than that in a turn, if it does it in one piece. With 0 units every task waits for a
    turn of its own.
    """

    def __init__(self, units: int) -> None:
        self._units = units
        self._left = units
        self._renewing = False
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def take(self, units: int) -> None:
        """Wait until the present turn has room, and use `units` of it."""
        if self._left > 0 and not self._waiting:
            self._spend(units)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, units))
        self._renew_soon()
        await turn

    def _spend(self, units: int) -> None:
        self._left -= units
        self._renew_soon()

    def _renew_soon(self) -> None:
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        """Begin a turn: wake those whose work has room in it."""
        self._renewing = False
        self._left = self._units
        while self._waiting:
            turn, units = self._waiting.popleft()
            if turn.done():
                continue  # its task was cancelled
            turn.set_result(None)
            self._spend(units)
            if self._left <= 0:
                break
