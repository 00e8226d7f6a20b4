"""A Connect in memory, for tests of what stands before the port."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.connect.port import PutReply
from gateway.core.errors import CallFailure
from gateway.core.model import DialRequest

Step = PutReply | CallFailure | asyncio.Event


@dataclass(slots=True)
class FakeConnect:
    """Accepts every dial request, under an id made of its token, unless `script` says otherwise.

    Each call takes the next step of the script: a reply to give, a failure to raise, or an event to
    wait for before accepting. `calls` keeps what was asked: campaign id and tokens of each call.
    """

    script: deque[Step] = field(default_factory=deque)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    closed: bool = False

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], send_by: float = math.inf
    ) -> PutReply:
        """Do the next step of the script, or accept all."""
        self.calls.append((campaign_id, tuple(request.client_token for request in requests)))
        step = self.script.popleft() if self.script else None
        if isinstance(step, CallFailure):
            raise step
        if isinstance(step, PutReply):
            return step
        if step is not None:
            await step.wait()
        return PutReply({request.client_token: f"id-{request.client_token}" for request in requests}, {})

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True
