"""Replicas for tests of dispatchers that share a ledger: each has an engine, a dispatcher and its claims."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.connect.fake import FakeConnect
from gateway.connect.retry import RetryingSender
from gateway.core.engine import Engine, Limits
from gateway.core.model import DialRequest, Settled, Source, Waiter
from gateway.dispatch.dispatcher import Dispatcher
from gateway.fleet.claims import Claims
from gateway.shared_state.port import SharedState
from gateway.telemetry import telemetry_with

PHONE = "+12065550123"


@dataclass
class Owner:
    """A caller that keeps its answers."""

    source: Source = field(default_factory=Source)
    told: list[Settled] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source.owner = self

    def deliver(self, settled: Settled) -> None:
        """Keep an answer."""
        self.told.append(settled)

    def notify(self, campaign_id: str, notice: object) -> None:
        """Drop a notice."""

    @property
    def outcomes(self) -> list[str]:
        """The outcomes and reasons of its answers."""
        return [f"{answer.outcome.name} {answer.reason.name}" for *_, answer in self.told]


@dataclass
class Replica:
    """One dispatcher with its parts; `expires_at` is that of its dial requests."""

    dispatcher: Dispatcher
    engine: Engine
    claims: Claims
    expires_at: float

    def send(self, *tokens: str, phone: str = PHONE, expires_at: float | None = None) -> Owner:
        """Submit dial requests of a new caller, as one list."""
        owner = Owner()
        end = self.expires_at if expires_at is None else expires_at
        arrivals = [
            (Waiter(owner.source, number), DialRequest("c", token, phone, {}, end, 10))
            for number, token in enumerate(tokens)
        ]
        self.dispatcher.submit(arrivals)
        return owner


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def make_replica(
    name: str,
    state: SharedState,
    connect: FakeConnect,
    now: Callable[[], float],
    live: Callable[[], Sequence[str]],
    limits: Limits,
    again_after_s: float = 0.25,
) -> Replica:
    """Make a replica on a clock; `run` runs it. Questions are asked again after `again_after_s`."""
    rng, telemetry = random.Random(1), telemetry_with()
    engine = Engine(limits, rng, fleet_member=name)
    assert engine.fleet_ledger is not None
    sender = RetryingSender(connect, telemetry, now, rng, _no_pause)
    ledger, window_s = engine.fleet_ledger, limits.replay_window_s
    claims = Claims(state, ledger, name, live, now, window_s, b"key", again_after_s=again_after_s)
    dispatcher = Dispatcher(engine, sender, telemetry, now, claims=claims)
    return Replica(dispatcher, engine, claims, now() + 600.0)


@asynccontextmanager
async def run(*replicas: Replica) -> AsyncIterator[None]:
    """Run replicas; at the end they answer everything."""
    works = [work for one in replicas for work in (one.dispatcher.run(), one.claims.run())]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for replica in replicas:
            replica.dispatcher.abandon()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
