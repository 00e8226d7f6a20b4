"""What the gateway asks of Amazon Connect, without naming a library."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import Batch, CallReport, DialRequest, ItemFailure


@dataclass(frozen=True, slots=True)
class PutReply:
    """Connect's answer to one call, by client token; a token may be missing, or in both."""

    accepted: Mapping[str, str]
    failed: Mapping[str, ItemFailure]
    request_id: str = ""


class ConnectPort(Protocol):
    """One call to Amazon Connect, tried once."""

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], send_by: float = math.inf
    ) -> PutReply:
        """Send 1 to 25 dial requests of one campaign; raises `CallFailure` (core/errors.py) only.

        Nothing is sent after `send_by`, an instant on the gateway's clock: `CallTooLate`.
        """
        ...

    async def close(self) -> None:
        """Give up connections and threads, without waiting for calls under way."""
        ...


class Caller(Protocol):
    """A call with its retries."""

    async def call(self, batch: Batch, permit: Callable[[], Awaitable[None]]) -> CallReport:
        """Send a batch and report how that ended; never raises a `CallFailure`.

        The first attempt has its permit already; each further one awaits `permit` first.
        """
        ...
