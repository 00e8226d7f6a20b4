"""Bounds how many checks of dial requests and of numbers are open at once."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.access.grants import Caller
from gateway.api.wire.status_details import Abortable, ErrorReason, end_call

CHECKS, CALLER_CHECKS = 50, 4
"""Checks that may be open at once: in all, and of one caller."""


class OpenChecks:
    """The checks that are open, by caller."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, caller: Caller, context: Abortable) -> AsyncIterator[None]:
        """Count one check of a caller while it is open; end its call if too many are."""
        if self._open.total() >= CHECKS or self._open[caller.key] >= CALLER_CHECKS:
            await end_call(
                context, ErrorReason.STREAM_LIMIT, "too many checks are open; check one after another"
            )
        self._open[caller.key] += 1
        try:
            yield
        finally:
            self._open[caller.key] -= 1
            self._open += Counter()  # drops callers without a check
