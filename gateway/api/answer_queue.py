"""The answers and notices that wait until gRPC has taken them for their caller."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.campaign_names import NamedCampaigns
from gateway.api.window import Window
from gateway.api.wire import dial_requests
from gateway.core.model import CampaignNotice, Settled
from gateway.runtime.loop_share import LoopShare

RESPONSE_RESULTS = 500
"""Results in one response message, at most."""
RESPONSE_EVERY_S = 0.004
"""Seconds between two responses of a busy stream. A message costs as much as the answers in it, so answers
wait this long to share one. The first response after a pause is sent at once."""


class AnswerQueue:
    """Receives the answers and notices of one source, and hands them over to its caller.

    The queue is `open` while dial requests may still come. `names` are the names by which the caller has
    given campaigns, None if it has given ids only. `failed`: everything has been answered after a bug, and
    later answers are dropped.
    """

    def __init__(self, window: Window, loop_share: LoopShare, response_every_s: float) -> None:
        self._window = window
        self._undecided = window.undecided
        self._loop_share = loop_share
        self._response_every_s = response_every_s
        self._answers: list[Settled] = []
        self._notices: dict[str, CampaignNotice] = {}
        self._delivered = asyncio.Event()
        self.names: NamedCampaigns | None = None
        self.open = True
        self.failed = False

    def deliver(self, settled: Settled) -> None:
        """Take an answer for the caller."""
        if self.failed:
            return  # it has been answered already
        self._undecided.pop(settled.waiter.index, None)
        if self.names is not None:
            settled = self.names.as_sent(settled)
        self._answers.append(settled)
        self._delivered.set()

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Take a notice for the caller. It replaces an unsent one about the same campaign."""
        for sent in (campaign_id,) if self.names is None else self.names.sent_for(campaign_id):
            self._notices[sent] = notice
        self._delivered.set()

    def close(self) -> None:
        """Note that no more dial requests come: `responses` ends with the last answer."""
        self.open = False
        self._delivered.set()

    def fail(self, answers: Iterable[Settled]) -> None:
        """Take the answers to all undecided requests after a bug, and no others from then on."""
        for settled in answers:
            self._answers.append(settled if self.names is None else self.names.as_sent(settled))
        self._undecided.clear()
        self.failed = True
        self.close()

    def forget(self) -> None:
        """Drop everything, since the caller is gone."""
        self._answers, self._notices, self.names = [], {}, None

    async def responses(self) -> AsyncIterator[pb.StreamDialRequestsResponse]:
        """Yield answers and notices as they arrive, until the last answer."""
        loop = asyncio.get_running_loop()
        handed_over_at = -self._response_every_s
        while True:
            notices, self._notices = self._notices, {}
            for campaign_id, notice in notices.items():
                yield dial_requests.notice(campaign_id, notice)
            pause_s = handed_over_at + self._response_every_s - loop.time()
            if pause_s > 0 and self._answers and len(self._answers) < RESPONSE_RESULTS:
                await asyncio.sleep(pause_s)
            if self._answers:
                await self._loop_share.take(min(len(self._answers), RESPONSE_RESULTS))
            answers, self._answers = self._answers[:RESPONSE_RESULTS], self._answers[RESPONSE_RESULTS:]
            for response in dial_requests.responses(answers):
                yield response
                handed_over_at = loop.time()
                # gRPC has taken the response when it asks for more. Until then it counts against the window.
                self._window.hand_over(len(response.results))
            if not self._answers and not self._notices:
                if not self.open and self._window.answered == self._window.taken:
                    return
                self._delivered.clear()
                await self._delivered.wait()

    async def complete(self) -> None:
        """Wait until every request that was read is answered."""
        while len(self._answers) < self._window.taken:
            self._delivered.clear()
            await self._delivered.wait()

    def in_order(self) -> list[Settled]:
        """Hand all answers over at once, in the order of the requests."""
        self._window.hand_over(len(self._answers))
        return sorted(self._answers, key=lambda settled: settled.waiter.index)
