"""The ledger's messages of one replica, over a model of the shared state."""

import asyncio
import logging
from dataclasses import dataclass, field

import pytest

from gateway.core.fleet.messages import Claim, ClaimVerdict, Settlement, TokenState
from gateway.dispatch.claims import AWAY_S, SETTLEMENTS_AT_ONCE, Claims
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.ledger import LedgerRules
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore

CLAIM = Claim("t", "fingerprint", 1)


async def turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(30):
        await asyncio.sleep(0)


@dataclass
class World:
    """A store, one replica's messages to it, a clock, and the pauses of the writer."""

    now: float = 100.0
    operations: list[str] = field(default_factory=list)
    fails: bool = False
    limit: int = 1000

    def __post_init__(self) -> None:
        self.store = ModelStore(lambda: round(self.now * 1000))
        self.state = ModelState(self.store, on_request=self._asked)
        self.pause = asyncio.Event()
        self.claims = Claims(
            self.state, "a", lambda: ["a"], lambda: self.now, self._sleep, backlog_limit=self.limit
        )

    async def _asked(self, operation: str) -> None:
        self.operations.append(operation)
        if self.fails:
            raise SharedStateUnavailable("it is away")

    async def _sleep(self, seconds: float) -> None:
        assert seconds == AWAY_S
        await self.pause.wait()
        self.pause.clear()

    async def after_pause(self) -> None:
        """Let the pause after a failure pass."""
        self.now += AWAY_S
        self.pause.set()
        await turns()

    @property
    def recorded(self) -> dict[str, TokenState]:
        """The tokens in the store, with their states."""
        ledger = self.store.rules.ledger
        assert isinstance(ledger, LedgerRules)
        return {token: record.state for (_, token), record in ledger.records.items()}


def accepted(token: str, number: int = 1) -> tuple[str, Settlement]:
    return "campaign", Settlement(token, "fingerprint", number, TokenState.ACCEPTED, "id", "trace")


async def test_a_claim_is_answered_and_a_failed_one_is_none() -> None:
    world = World()
    verdicts = await world.claims.claim("campaign", [CLAIM])
    assert verdicts is not None
    assert [one.verdict for one in verdicts] == [ClaimVerdict.CLAIMED]
    assert set(await world.claims.look_up("campaign", ["t", "u"]) or ()) == {"t"}
    world.fails = True
    assert await world.claims.claim("campaign", [CLAIM]) is None


async def test_after_a_failure_nothing_waits_for_the_shared_state_for_a_while() -> None:
    world = World(fails=True)
    await world.claims.claim("campaign", [CLAIM])
    assert await world.claims.claim("campaign", [CLAIM]) is None
    assert await world.claims.look_up("campaign", ["t"]) is None
    assert world.operations == ["claim"]
    world.fails, world.now = False, world.now + AWAY_S
    assert await world.claims.claim("campaign", [CLAIM]) is not None
    assert await world.claims.look_up("campaign", ["t"]) is not None


async def test_after_a_failure_one_request_finds_out_whether_the_shared_state_is_back() -> None:
    world = World(fails=True)
    await world.claims.claim("campaign", [CLAIM])
    world.fails, world.now = False, world.now + AWAY_S
    waiting = asyncio.Event()

    async def wait(operation: str) -> None:
        await waiting.wait()

    world.state.on_request = wait
    first = asyncio.create_task(world.claims.claim("campaign", [CLAIM]))
    await turns()
    assert await world.claims.claim("campaign", [CLAIM]) is None
    waiting.set()
    assert await first is not None
    assert await world.claims.claim("campaign", [CLAIM]) is not None


async def test_settlements_are_written_in_few_commands() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.settle(accepted(f"t{number}") for number in range(SETTLEMENTS_AT_ONCE + 1))
    await asyncio.wait_for(world.claims.written(), 1)
    assert world.operations == ["settle", "settle"]
    assert len(world.recorded) == SETTLEMENTS_AT_ONCE + 1
    assert world.claims.waiting == 0
    writer.cancel()


async def test_settlements_wait_for_the_shared_state_and_keep_their_order() -> None:
    world = World(fails=True)
    writer = asyncio.create_task(world.claims.run())
    world.claims.settle([("campaign", Settlement("t", "fingerprint", 1, TokenState.UNKNOWN))])
    await turns()
    world.claims.settle([accepted("t", 2), ("other", accepted("u")[1])])
    await world.after_pause()
    assert (world.claims.waiting, world.recorded) == (3, {})
    world.fails = False
    await world.after_pause()
    assert world.recorded == {"t": TokenState.ACCEPTED, "u": TokenState.ACCEPTED}
    assert world.claims.waiting == 0
    writer.cancel()


async def test_the_backlog_of_settlements_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    world = World(fails=True, limit=10)
    writer = asyncio.create_task(world.claims.run())
    with caplog.at_level(logging.WARNING):
        for number in range(30):
            world.claims.settle([accepted(f"t{number}")])
            await turns()
    assert (world.claims.waiting, world.claims.lost) == (10, 20)
    assert len(caplog.records) == 1
    world.fails = False
    await world.after_pause()
    assert set(world.recorded) == {f"t{number}" for number in range(20, 30)}
    writer.cancel()


async def test_settlements_too_large_for_the_backlog_are_dropped() -> None:
    world = World(fails=True, limit=1_000_000)
    big = "x" * 1_000_000
    for number in range(50):
        world.claims.settle([("campaign", Settlement("t", "f", number, TokenState.ACCEPTED, big))])
    assert world.claims.waiting == 33
    assert world.claims.lost == 17


async def test_a_cancelled_writer_loses_no_settlement() -> None:
    world = World()
    waiting = asyncio.Event()

    async def wait(operation: str) -> None:
        await waiting.wait()

    world.state.on_request = wait
    writer = asyncio.create_task(world.claims.run())
    world.claims.settle([accepted("t")])
    await turns()
    writer.cancel()
    await turns()
    waiting.set()
    again = asyncio.create_task(world.claims.run())
    await asyncio.wait_for(world.claims.written(), 1)
    assert world.recorded == {"t": TokenState.ACCEPTED}
    again.cancel()


async def test_a_bug_in_the_shared_state_is_logged_and_counts_as_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()

    async def fail(operation: str) -> None:
        raise KeyError("+12065550100")

    world.state.on_request = fail
    assert await world.claims.claim("campaign", [CLAIM]) is None
    assert "KeyError" in caplog.text
    assert "+1206" not in caplog.text
