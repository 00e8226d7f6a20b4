"""A Connect in memory, for tests of code that uses the port."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.connect.port import Operation, PutReply
from gateway.connect.ticket import Ticket
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.errors import CallFailure
from gateway.core.model import DialRequest


@dataclass(frozen=True, slots=True)
class Delay:
    """A step that delays the first byte until an event is set, like a slow name lookup."""

    until: asyncio.Event


Step = PutReply | CallFailure | asyncio.Event | Delay
StateStep = Mapping[str, str] | CallFailure | asyncio.Event


@dataclass(slots=True)
class FakeConnect:
    """Accepts every dial request, with an id made of its token, unless `script` has another step.

    Each call takes the next step of the script: a reply to return, a failure to raise, an event to wait for
    before accepting, or a delay before anything is sent. `calls` records the campaign id and the tokens of
    each call that was sent.

    A read of states takes the next step of `state_script`: an answer, a failure, or an event to wait for.
    After the last step, the state of a campaign comes from `states`, and is Running if it is not there.
    `asked` records the ids.
    """

    script: deque[Step] = field(default_factory=deque)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    closed: bool = False
    endpoint: str = "memory"
    has_credentials: bool = True
    credentials_in_words: str = "found"
    stalled: bool = False
    clock_behind_s: float = 0.0
    has_channels: bool = False
    states: dict[str, str] = field(default_factory=dict)
    state_script: deque[StateStep] = field(default_factory=deque)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def operation(self, campaign_id: str) -> Operation:
        """Return the name of V1's call."""
        return Operation()

    def campaign_problem(self, campaign_id: str) -> str | None:
        """Return the rule of V1 that a campaign id breaks, if any."""
        return problem_with_campaign(campaign_id)

    def takes_channels(self, campaign_id: str) -> bool:
        """Whether campaigns take channels besides telephone calls, as `has_channels` says."""
        return self.has_channels

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Do the next step of the script, or accept all."""
        step = self.script.popleft() if self.script else None
        ticket = ticket or Ticket()
        if isinstance(step, Delay):
            await _unless_revoked(ticket, step.until)
            step = None
        if not isinstance(step, CallFailure) or step.attempted:
            ticket.leave()
            ticket.all_left()
            self.calls.append((campaign_id, tuple(request.client_token for request in requests)))
        if isinstance(step, CallFailure):
            raise step
        if isinstance(step, PutReply):
            return step
        if step is not None:
            await step.wait()
        return PutReply({request.client_token: f"id-{request.client_token}" for request in requests}, {})

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Take the next step of the script of states, or return the states that are set."""
        self.asked.append(tuple(campaign_ids))
        step = self.state_script.popleft() if self.state_script else None
        if isinstance(step, CallFailure):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
        elif step is not None:
            return step
        return {campaign_id: self.states.get(campaign_id, "Running") for campaign_id in campaign_ids}

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


async def _unless_revoked(ticket: Ticket, event: asyncio.Event) -> None:
    """Wait for an event, or until the ticket is revoked."""
    revoked = asyncio.Event()
    ticket.on_revoke(revoked.set)
    waits = [asyncio.ensure_future(one.wait()) for one in (revoked, event)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
