"""Two dispatchers that share a ledger, before one Connect in memory and a model of the shared state."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.connect.fake import FakeConnect
from gateway.connect.retry import RetryingSender
from gateway.core.answers import HELD
from gateway.core.campaigns.holds import Hold
from gateway.core.engine import Engine, Limits
from gateway.core.model import DialRequest, Settled, Source, Waiter
from gateway.dispatch.claims import Claims
from gateway.dispatch.dispatcher import LAST_CHECKS_S, Dispatcher
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from gateway.telemetry import telemetry_with

NOW = 1000.0


async def turns(count: int = 40) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass
class Owner:
    """A caller that keeps its answers."""

    source: Source = field(default_factory=Source)
    told: list[Settled] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source.owner = self

    def deliver(self, settled: Settled) -> None:
        self.told.append(settled)

    def notify(self, campaign_id: str, notice: object) -> None:
        pass

    @property
    def outcomes(self) -> list[str]:
        return [f"{answer.outcome.name} {answer.reason.name}" for *_, answer in self.told]


@dataclass
class Replica:
    """One dispatcher, its messages to the store, and hooks to delay or lose these."""

    dispatcher: Dispatcher
    engine: Engine
    claims: Claims
    state: ModelState
    operations: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    fails: bool = False

    async def asked(self, operation: str) -> None:
        """Note an operation, and delay it or let it fail."""
        self.operations.append(operation)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise SharedStateUnavailable("it is away")

    def send(self, *tokens: str, expires_at: float = NOW + 600.0) -> Owner:
        """Submit dial requests of a new caller."""
        owner = Owner()
        arrivals = [
            (
                Waiter(owner.source, number),
                DialRequest("c", token, "+12065550123", {}, 1e9, expires_at, 10),
            )
            for number, token in enumerate(tokens)
        ]
        self.dispatcher.submit(arrivals)
        return owner


@dataclass
class Fleet:
    """Two replicas and what they share."""

    store: ModelStore
    connect: FakeConnect
    now: list[float]
    replicas: list[Replica]

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due then."""
        self.now[0] += seconds
        for replica in self.replicas:
            replica.dispatcher.submit([])  # any event wakes it; its own alarms hang on the loop's clock
        await turns()


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def _replica(name: str, store: ModelStore, connect: FakeConnect, now: list[float], limits: Limits) -> Replica:
    rng, telemetry = random.Random(1), telemetry_with()
    engine = Engine(limits, rng, fleet_member=name)
    assert engine.fleet_ledger is not None
    sender = RetryingSender(connect, telemetry, lambda: now[0], rng, _no_pause)
    state = ModelState(store)
    live = ["a", "b"]
    claims = Claims(state, engine.fleet_ledger, name, lambda: live, lambda: now[0], 1200.0, b"key")
    dispatcher = Dispatcher(engine, sender, telemetry, lambda: now[0], claims=claims)
    replica = Replica(dispatcher, engine, claims, state)
    state.on_request = replica.asked
    return replica


@asynccontextmanager
async def running(**limits: Any) -> AsyncIterator[Fleet]:
    """Run two replicas, by default without linger and without a call limit."""
    now, connect = [NOW], FakeConnect()
    store = ModelStore(lambda: round(now[0] * 1000))
    settings = Limits(**{"call_rate": 0.0, "linger_s": 0.0, **limits})
    replicas = [_replica(name, store, connect, now, settings) for name in ("a", "b")]
    tasks = [
        asyncio.create_task(work)
        for replica in replicas
        for work in (replica.dispatcher.run(), replica.claims.run())
    ]
    await turns()
    try:
        yield Fleet(store, connect, now, replicas)
    finally:
        for replica in replicas:
            replica.dispatcher.abandon()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


TOKENS = [f"t{number}" for number in range(60)]


async def test_tokens_accepted_through_one_replica_need_no_call_through_the_other() -> None:
    async with running() as fleet:
        a, b = fleet.replicas
        first = a.send(*TOKENS)
        await turns()
        second = b.send(*TOKENS)
        await turns()
        assert first.outcomes == second.outcomes == ["ACCEPTED NONE"] * 60
        assert sum(len(tokens) for _, tokens in fleet.connect.calls) == 60
        assert all(settled.answer.replayed for settled in second.told)
        assert len({settled.answer.dial_request_id for settled in second.told}) == 60


async def test_tokens_sent_to_both_replicas_at_once_go_to_connect_once() -> None:
    async with running() as fleet:
        a, b = fleet.replicas
        first, second = a.send(*TOKENS), b.send(*TOKENS)
        await turns()
        await fleet.advance(0.2)
        await fleet.advance(0.2)
        assert first.outcomes == second.outcomes == ["ACCEPTED NONE"] * 60
        assert sorted(token for _, tokens in fleet.connect.calls for token in tokens) == sorted(TOKENS)
        assert all(replica.engine.outstanding == 0 for replica in fleet.replicas)


async def test_a_call_takes_two_commands_of_the_store() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.send(*(f"t{number}" for number in range(500)))
        await turns(400)
        a.operations.remove("keep_fingerprint_key")  # once in the life of a process
        assert len(fleet.connect.calls) == 20
        assert len(a.operations) <= 0.15 * 500


async def test_answers_do_not_wait_for_the_record_of_their_result() -> None:
    async with running() as fleet:
        a, b = fleet.replicas
        owner = a.send("t")
        for _ in range(100):
            if "claim" in a.operations and a.gate is None:
                a.gate = asyncio.Event()  # every later message hangs
            await asyncio.sleep(0)
        assert owner.outcomes == ["ACCEPTED NONE"]
        assert a.claims.waiting == 1
        assert a.gate is not None
        a.gate.set()
        await turns()
        assert a.claims.waiting == 0
        again = b.send("t")
        await turns()
        assert again.told[0].answer.replayed


async def test_a_hold_while_a_claim_is_awaited_stops_the_call() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        assert a.operations == ["keep_fingerprint_key", "claim"]
        await a.dispatcher.hold("c", Hold("ops", "", NOW))
        a.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.told == []
        assert a.engine.outstanding == 1
        assert a.claims.waiting == 0


async def test_an_answering_hold_while_a_claim_is_awaited_answers() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        assert await a.dispatcher.hold("c", Hold("ops", "", NOW, answering=True)) == 1
        a.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == [f"NOT_ACCEPTED {HELD.reason.name}"]


async def test_a_caller_who_leaves_while_a_claim_is_awaited_stops_the_call() -> None:
    async with running() as fleet:
        a, b = fleet.replicas
        a.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        a.dispatcher.source_gone(owner.source)
        a.gate.set()
        await turns()
        assert fleet.connect.calls == []
        other = b.send("t")
        await turns()
        assert other.outcomes == ["ACCEPTED NONE"]


async def test_a_request_that_expires_while_a_claim_is_awaited_is_not_sent() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.gate = asyncio.Event()
        owner = a.send("t", expires_at=NOW + 5.2)
        await turns()
        fleet.now[0] += 0.2
        a.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == ["EXPIRED EXPIRATION_PASSED"]


async def test_an_abandoned_gateway_does_not_send_a_call_whose_claim_it_awaits() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        a.dispatcher.abandon()
        a.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == ["UNKNOWN DRAINING"]
        assert a.engine.outstanding == 0


async def test_a_drain_ends_while_a_claim_hangs() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        a.dispatcher.drain(5.0)
        drained = asyncio.create_task(a.dispatcher.drained())
        await fleet.advance(4.5)
        a.fails = True  # the time-out
        a.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == ["UNKNOWN DRAINING"]
        assert drained.done()


async def test_without_the_store_calls_go_on_and_denials_are_in_doubt() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.claims.seen("epoch", [])  # a beat, right before the outage
        a.fails = True
        owner = a.send(*TOKENS)
        await turns()
        assert fleet.connect.calls == []  # it may be back soon
        for _ in range(5):
            await fleet.advance(0.25)
        assert owner.outcomes == ["ACCEPTED NONE"] * 60
        await a.dispatcher.hold("c", Hold("ops", "", NOW, answering=True))
        held = a.send("u")
        await turns()
        assert held.outcomes == ["UNKNOWN HELD"]


async def test_a_deadline_is_met_though_the_store_hangs() -> None:
    async with running(call_rate=1.0, call_burst=1.0) as fleet:
        a, _ = fleet.replicas
        a.send("first")
        await turns()
        owner = a.send("t")
        a.gate = asyncio.Event()
        withdrawing = asyncio.create_task(a.dispatcher.withdraw(owner.source))
        await turns()
        assert owner.told == []
        fleet.now[0] += LAST_CHECKS_S
        await asyncio.wait_for(withdrawing, 5)
        assert owner.outcomes == ["UNKNOWN DEADLINE"]


async def test_a_deadline_is_answered_from_the_store_if_it_answers() -> None:
    async with running(call_rate=1.0, call_burst=1.0) as fleet:
        a, _ = fleet.replicas
        a.send("first")
        await turns()
        owner = a.send("t")
        await asyncio.wait_for(a.dispatcher.withdraw(owner.source), 5)
        assert owner.outcomes == ["NOT_ACCEPTED DEADLINE"]
