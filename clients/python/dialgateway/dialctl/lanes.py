"""One stream per campaign, all fed from one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.leads import Lead
from dialgateway.errors import DialGatewayError
from dialgateway.values import DialRequest, DialResult, Priority

OnAnswer = Callable[[Lead, DialResult], None]

# Read in advance per campaign, so that a campaign whose window is full does not at once hold up the others.
_AHEAD = 500


class Lane:
    """A campaign's stream and the leads on their way to it; holds a window of them and a little more."""

    def __init__(self, client: DialGatewayClient, campaign_id: str, priority: Priority) -> None:
        self.campaign_id = campaign_id
        self.error: DialGatewayError | None = None
        self._client = client
        self._priority = priority
        self._ahead: asyncio.Queue[Lead | None] = asyncio.Queue(_AHEAD)
        self._left_over: list[Lead] = []
        self._given: dict[int, Lead] = {}

    async def run(self, on_answer: OnAnswer) -> None:
        """Send until `end()`, then until the last answer; what ended the stream before is kept in `error`."""
        try:
            async for result in self._client.dial(
                self.campaign_id, self._requests(), priority=self._priority
            ):
                on_answer(self._given.pop(result.index), result)
        except DialGatewayError as error:
            self.error = error
            self._set_aside()

    async def put(self, lead: Lead) -> None:
        """Hand over a lead, when there is room; behind a broken stream it is set aside."""
        try:
            await self._ahead.put(lead)
        except asyncio.CancelledError:
            self._left_over.append(lead)
            raise
        if self.error is not None:
            self._set_aside()

    async def end(self) -> None:
        """Say that there are no more leads."""
        await self._ahead.put(None)

    def take_unanswered(self) -> list[tuple[Lead, bool]]:
        """Hand back the leads without an answer, and whether Amazon Connect may have them.

        Once `run()` has ended they will get none.
        """
        self._set_aside()
        doubtful = None if self.error is None else set(self.error.in_doubt)
        unanswered = [
            (lead, doubtful is None or lead.request.client_token in doubtful) for lead in self._given.values()
        ]
        unanswered += [(lead, lead.request.in_doubt) for lead in self._left_over]
        self._given.clear()
        self._left_over.clear()
        return unanswered

    async def _requests(self) -> AsyncIterator[DialRequest]:
        index = 0
        while (lead := await self._ahead.get()) is not None:
            self._given[index] = lead
            index += 1
            yield lead.request

    def _set_aside(self) -> None:
        # Emptying the queue also lets go whoever waits for room in it.
        while not self._ahead.empty():
            if (lead := self._ahead.get_nowait()) is not None:
                self._left_over.append(lead)
