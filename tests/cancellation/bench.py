"""A gateway without its gRPC server, in the hands of a test, and a Connect in memory behind it."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.answer_queue import RESPONSE_EVERY_S
from gateway.api.caller_limits import CallerLimit
from gateway.api.dial_session import DialSession
from gateway.connect.fake import FakeConnect, Step
from gateway.connect.port import CallSender, PutReply
from gateway.connect.retry import RetryingSender
from gateway.connect.ticket import Ticket
from gateway.core.engine import Engine, Limits
from gateway.core.model import DialRequest
from gateway.dispatch.dispatcher import Dispatcher
from gateway.fleet.claims import Claims
from gateway.runtime.clock import SystemClock
from gateway.runtime.loop_share import LoopShare
from gateway.runtime.supervision import Supervisor
from gateway.shared_state.port import SharedState
from gateway.telemetry import telemetry_with
from tests.cancellation.hanging import turns
from tests.integration.world import dials


@dataclass
class Bench:
    """The gateway and Connect that a scenario works with."""

    engine: Engine
    dispatcher: Dispatcher
    connect: "DistantConnect"
    share: CallerLimit
    supervisor: Supervisor
    window: int
    claims: Claims | None = None
    running: "asyncio.Task[None] | None" = None
    sessions: list[DialSession] = field(default_factory=list)

    def session(self, response_every_s: float = RESPONSE_EVERY_S) -> DialSession:
        """Make a session of the only caller."""
        telemetry = telemetry_with()
        trace = telemetry.rpc_started("StreamDialRequests", ())
        share = LoopShare(0)  # the session waits for a turn before each piece of work
        session = DialSession(
            self.dispatcher,
            telemetry,
            SystemClock(),
            trace,
            self.window,
            self.share,
            loop_share=share,
            response_every_s=response_every_s,
        )
        self.sessions.append(session)
        return session

    async def served(self) -> None:
        """See that a caller who comes now is served: nothing that others held is lost to it."""
        session = self.session()
        reading = asyncio.create_task(session.read(messages(30, "after")))
        reading.add_done_callback(lambda _: session.close())
        async with asyncio.timeout(10):
            outcomes = [
                result.outcome async for response in session.responses() for result in response.results
            ]
        await reading
        assert outcomes == [pb.OUTCOME_ACCEPTED] * 30
        session.caller_gone()

    def at_rest(self) -> None:
        """Check that nothing is outstanding, in flight, unanswered or broken."""
        assert self.engine.outstanding == 0
        assert self.engine.outstanding_bytes == 0
        assert self.engine.calls_in_flight == 0
        assert self.share.unanswered == 0
        assert not self.supervisor.failing


class DistantConnect(FakeConnect):
    """A Connect in memory whose answers take some turns of the loop, as a network's would."""

    turns = 1

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Do the next step of the script, some turns later."""
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return await super().put_dial_requests(campaign_id, requests, ticket)

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Tell the states, a turn later."""
        await asyncio.sleep(0)
        return await super().campaign_states(campaign_ids)


async def messages(count: int, prefix: str = "t") -> AsyncIterator[bytes]:
    """Yield messages of ten, with a pause before each as a network has it."""
    items = dials(count, prefix)
    for begin in range(0, count, 10):
        await asyncio.sleep(0)
        part = items[begin : begin + 10]
        yield pb.StreamDialRequestsRequest(campaign_id="c", dial_requests=part).SerializeToString()


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def bench_of(
    *script: Step,
    wrapped: Callable[[CallSender], CallSender] = lambda caller: caller,
    window: int = 1000,
    share: int = 1000,
    run: bool = True,
    state: SharedState | None = None,
    **limits: Any,
) -> AsyncIterator[Bench]:
    """Make a bench whose dispatcher runs; it must be at rest in the end.

    With a shared state it is the replica "a" of a fleet, and `claims` writes no settlement by itself.
    """
    clock, rng, telemetry, connect = (
        SystemClock(),
        random.Random(1),
        telemetry_with(),
        DistantConnect(deque(script)),
    )
    member = None if state is None else "a"
    engine = Engine(Limits(**{"call_rate": 0.0, "linger_s": 0.0, **limits}), rng, fleet_member=member)
    claims = None
    if state is not None and engine.fleet_ledger is not None:
        claims = Claims(state, engine.fleet_ledger, "a", lambda: ["a"], clock.now, 1200.0, sleep=_no_pause)
    sender = RetryingSender(connect, telemetry, clock.now, rng, _no_pause, expiry_now=clock.epoch_now)
    caller = wrapped(sender)
    supervisor = Supervisor()
    dispatcher = Dispatcher(engine, caller, telemetry, clock.now, supervisor, clock.gained, claims)
    bench = Bench(engine, dispatcher, connect, CallerLimit(share), supervisor, window, claims)
    if run:
        bench.running = asyncio.create_task(dispatcher.run())
        supervisor.watch(bench.running, endless=True)
    try:
        yield bench
        await turns()
        bench.at_rest()
    finally:
        dispatcher.abandon()
        if bench.running is not None:
            bench.running.cancel()
            with suppress(asyncio.CancelledError):
                await bench.running
        await turns()
