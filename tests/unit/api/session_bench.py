"""A session of a gateway whose dispatcher does not run, and messages of its caller."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.caller_limits import CallerLimit
from gateway.api.dial_session import DialSession
from gateway.api.gathering import Arrival
from gateway.connect.fake import FakeConnect
from gateway.connect.retry import RetryingSender
from gateway.core.engine import Engine, Limits
from gateway.core.model import Priority
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.token_claims import TokenClaims
from gateway.runtime.clock import SystemClock
from gateway.telemetry import Telemetry, telemetry_with
from tests.unit.api.manual_timers import ManualTimers


def make(
    window: int = 100,
    engine: Callable[..., Engine] = Engine,
    telemetry: Telemetry | None = None,
    claims: TokenClaims | None = None,
    directory: CampaignDirectory = NO_DIRECTORY,
    **limits: Any,
) -> DialSession:
    """Make a session of a gateway whose dispatcher does not run, and whose time stands still."""
    clock, telemetry, rng = SystemClock(), telemetry or telemetry_with(), random.Random(1)
    caller = RetryingSender(FakeConnect(), telemetry, clock.now, rng, expiry_now=clock.epoch_now)
    core = engine(Limits(**limits), rng)
    dispatcher = Dispatcher(core, caller, telemetry, clock.now, gained=clock.gained, claims=claims)
    trace = telemetry.rpc_started("StreamDialRequests", ())
    limit, timers = CallerLimit(10**9), ManualTimers()
    return DialSession(dispatcher, telemetry, clock, trace, window, limit, directory=directory, timers=timers)


def message(*tokens: str, campaign: str = "") -> pb.StreamDialRequestsRequest:
    """Make a message; without a campaign its requests are answered at once."""
    items = [pb.DialRequest(client_token=token) for token in tokens]
    return pb.StreamDialRequestsRequest(campaign_id=campaign, dial_requests=items)


async def sent(*messages: pb.StreamDialRequestsRequest) -> AsyncIterator[bytes]:
    for one in messages:
        yield one.SerializeToString()


class CountingEngine(Engine):
    """Notes the client tokens of each submission."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.submitted: list[list[str]] = []

    def submit(self, now: float, arrivals: Sequence[Arrival], priority: Priority = Priority.NORMAL) -> None:
        """Note the tokens, and take them in."""
        self.submitted.append([request.client_token for _, request in arrivals])
        super().submit(now, arrivals, priority)


def counting(**limits: Any) -> tuple[DialSession, CountingEngine]:
    """Make a session, and the engine that it submits to."""
    engines: list[CountingEngine] = []

    def engine(*arguments: Any) -> Engine:
        engines.append(CountingEngine(*arguments))
        return engines[0]

    return make(engine=engine, **limits), engines[0]
