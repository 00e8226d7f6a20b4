"""Two dispatchers that share a ledger, with one Connect in memory and a model of the shared state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.connect.fake import FakeConnect
from gateway.core.answers import HELD
from gateway.core.campaigns.holds import Hold
from gateway.core.engine import Limits
from gateway.dispatch.dispatcher import LAST_CHECKS_S
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from tests.unit.fleet.replicas import Replica, make_replica, run

NOW = 1000.0


async def turns(count: int = 40) -> None:
    """Give all tasks turns of the event loop until they wait."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass
class Messages:
    """The messages of one replica to the store, and hooks to delay or lose these."""

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


@dataclass
class Fleet:
    """Two replicas, the messages of the first, and what they share."""

    store: ModelStore
    connect: FakeConnect
    now: list[float]
    replicas: list[Replica]
    messages: Messages

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due then."""
        self.now[0] += seconds
        for replica in self.replicas:
            replica.dispatcher.submit([])  # any event wakes it; its own alarms hang on the loop's clock
        await turns()


@asynccontextmanager
async def running(**limits: Any) -> AsyncIterator[Fleet]:
    """Run two replicas, by default without linger and without a call limit."""
    now, connect, messages = [NOW], FakeConnect(), Messages()
    store = ModelStore(lambda: round(now[0] * 1000))
    settings = Limits(**{"call_rate": 0.0, "linger_s": 0.0, **limits})
    states = {"a": ModelState(store, on_request=messages.asked), "b": ModelState(store)}
    replicas = [
        make_replica(name, state, connect, lambda: now[0], lambda: list(states), settings)
        for name, state in states.items()
    ]
    async with run(*replicas):
        await turns()
        yield Fleet(store, connect, now, replicas, messages)


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
        fleet.messages.operations.remove("keep_fingerprint_key")  # once in the life of a process
        assert len(fleet.connect.calls) == 20
        assert len(fleet.messages.operations) <= 0.15 * 500


async def test_answers_do_not_wait_for_the_record_of_their_result() -> None:
    async with running() as fleet:
        a, b = fleet.replicas
        owner = a.send("t")
        for _ in range(100):
            if "claim" in fleet.messages.operations and fleet.messages.gate is None:
                fleet.messages.gate = asyncio.Event()  # every later message hangs
            await asyncio.sleep(0)
        assert owner.outcomes == ["ACCEPTED NONE"]
        assert a.claims.waiting == 1
        assert fleet.messages.gate is not None
        fleet.messages.gate.set()
        await turns()
        assert a.claims.waiting == 0
        again = b.send("t")
        await turns()
        assert again.told[0].answer.replayed


async def test_a_hold_while_a_claim_is_awaited_stops_the_call() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        fleet.messages.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        assert fleet.messages.operations == ["keep_fingerprint_key", "claim"]
        await a.dispatcher.campaign_actions.hold("c", Hold("ops", "", NOW))
        fleet.messages.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.told == []
        assert a.engine.outstanding == 1
        assert a.claims.waiting == 0


async def test_an_answering_hold_while_a_claim_is_awaited_answers() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        fleet.messages.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        assert await a.dispatcher.campaign_actions.hold("c", Hold("ops", "", NOW, answering=True)) == 1
        fleet.messages.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == [f"NOT_ACCEPTED {HELD.reason.name}"]


async def test_a_caller_who_leaves_while_a_claim_is_awaited_stops_the_call() -> None:
    async with running() as fleet:
        a, b = fleet.replicas
        fleet.messages.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        a.dispatcher.source_gone(owner.source)
        fleet.messages.gate.set()
        await turns()
        assert fleet.connect.calls == []
        other = b.send("t")
        await turns()
        assert other.outcomes == ["ACCEPTED NONE"]


async def test_a_request_that_expires_while_a_claim_is_awaited_is_not_sent() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        fleet.messages.gate = asyncio.Event()
        owner = a.send("t", expires_at=NOW + 5.2)
        await turns()
        fleet.now[0] += 0.2
        fleet.messages.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == ["EXPIRED EXPIRATION_PASSED"]


async def test_an_abandoned_gateway_does_not_send_a_call_whose_claim_it_awaits() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        fleet.messages.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        a.dispatcher.abandon()
        fleet.messages.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == ["UNKNOWN DRAINING"]
        assert a.engine.outstanding == 0


async def test_a_drain_ends_while_a_claim_hangs() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        fleet.messages.gate = asyncio.Event()
        owner = a.send("t")
        await turns()
        a.dispatcher.drain(5.0)
        drained = asyncio.create_task(a.dispatcher.drained())
        await fleet.advance(4.5)
        fleet.messages.fails = True  # the time-out
        fleet.messages.gate.set()
        await turns()
        assert fleet.connect.calls == []
        assert owner.outcomes == ["UNKNOWN DRAINING"]
        assert drained.done()


async def test_without_the_store_calls_go_on_and_denials_are_in_doubt() -> None:
    async with running() as fleet:
        a, _ = fleet.replicas
        a.claims.seen("epoch", [])  # a beat, right before the outage
        fleet.messages.fails = True
        owner = a.send(*TOKENS)
        await turns()
        assert fleet.connect.calls == []  # it may be back soon
        for _ in range(9):
            await fleet.advance(0.25)
        assert owner.outcomes == ["ACCEPTED NONE"] * 60
        await a.dispatcher.campaign_actions.hold("c", Hold("ops", "", NOW, answering=True))
        held = a.send("u")
        await turns()
        assert held.outcomes == ["UNKNOWN HELD"]


async def test_a_deadline_is_met_though_the_store_hangs() -> None:
    async with running(call_rate=1.0, call_burst=1.0) as fleet:
        a, _ = fleet.replicas
        a.send("first")
        await turns()
        owner = a.send("t")
        fleet.messages.gate = asyncio.Event()
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
