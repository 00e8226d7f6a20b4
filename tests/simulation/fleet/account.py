"""The account that all replicas call: one Connect, reached over a network that takes time."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.connect.port import Operation, PutReply
from gateway.connect.ticket import Ticket
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.model import DialRequest
from tests.oracle.records import Key
from tests.simulation.connect_model import Connect, Reply

WARM_S = 1.0
"""Seconds without a call after which the next ones must open connections first."""


@dataclass(eq=False, slots=True)
class Attempt:
    """One attempt of a call, from the first byte that left a replica to Connect's answer there.

    `reply` is None until Connect has answered, `told` whether that answer has reached the replica.
    """

    replica: str
    campaign_id: str
    requests: Sequence[DialRequest]
    left_at: float
    reply: Reply | None = None
    told: bool = False

    @property
    def keys(self) -> list[Key]:
        """The tokens that it carries."""
        return [(self.campaign_id, request.client_token) for request in self.requests]


@dataclass(eq=False)
class Account:
    """Connect, and who is told of each attempt that leaves and arrives.

    `asked` has when each replica has read states of campaigns.
    """

    connect: Connect
    rng: random.Random
    latency_s: float = 0.03
    leaves: Callable[[Attempt], None] = lambda attempt: None
    arrived: Callable[[Attempt], None] = lambda attempt: None
    asked: list[tuple[float, str]] = field(default_factory=list)


@dataclass(eq=False)
class AccountPort:
    """One replica's way to the account. `cut_off`: the replica has crashed, so nothing reaches it."""

    account: Account
    replica: str
    cut_off: bool = False
    endpoint: str = "model"
    clock_behind_s: float = 0.0
    has_credentials: bool = True
    credentials_in_words: str = "found"
    stalled: bool = False
    _warm_until: float = -1.0
    _connected_at: float = 0.0
    _revoked: dict[int, asyncio.Event] = field(default_factory=dict)

    def operation(self, campaign_id: str) -> Operation:
        """Return the name of V1's call."""
        return Operation()

    def campaign_problem(self, campaign_id: str) -> str | None:
        """Return the rule of V1 that a campaign id breaks, if any."""
        return problem_with_campaign(campaign_id)

    def takes_channels(self, campaign_id: str) -> bool:
        """Return False, as of campaigns of V1."""
        return False

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Send one attempt of a call."""
        ticket = ticket or Ticket()
        loop, account = asyncio.get_running_loop(), self.account
        if loop.time() > self._warm_until:  # connections must be opened first
            self._connected_at = loop.time() + account.latency_s * account.rng.uniform(0.0, 5.0)
        self._warm_until = loop.time() + WARM_S
        await asyncio.sleep(max(0.0, self._connected_at - loop.time()))
        ticket.leave()
        attempt = Attempt(self.replica, campaign_id, list(requests), loop.time())
        account.leaves(attempt)
        ticket.all_left()
        answer: asyncio.Future[Reply] = loop.create_future()
        loop.call_later(account.latency_s * account.rng.uniform(0.1, 0.4), self._arrive, attempt, answer)
        reply = await answer
        if reply.failure is not None:
            raise reply.failure
        return PutReply(reply.accepted, reply.failed)

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Read the states of campaigns."""
        self.account.asked.append((asyncio.get_running_loop().time(), self.replica))
        await asyncio.sleep(self.account.latency_s)
        return self.account.connect.campaign_states(campaign_ids)

    async def close(self) -> None:
        """Close nothing: there are no connections."""

    def _arrive(self, attempt: Attempt, answer: "asyncio.Future[Reply]") -> None:
        """Let an attempt arrive, whether its replica still lives or not."""
        account, loop = self.account, asyncio.get_running_loop()
        attempt.reply = account.connect.put(loop.time(), attempt.campaign_id, attempt.requests)
        account.arrived(attempt)
        loop.call_later(account.latency_s * account.rng.uniform(0.3, 1.4), self._return, attempt, answer)

    def _return(self, attempt: Attempt, answer: "asyncio.Future[Reply]") -> None:
        if not self.cut_off and not answer.done():
            attempt.told = True
            assert attempt.reply is not None
            answer.set_result(attempt.reply)
