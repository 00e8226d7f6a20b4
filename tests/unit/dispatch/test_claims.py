"""The ledger's messages of one replica, over a model of the shared state."""

import asyncio
import logging
import math
from dataclasses import dataclass, field

import pytest

from gateway.core.claims.doubts import WRITE_AGAIN_S
from gateway.core.fleet.fingerprints import Fingerprints
from gateway.core.fleet.messages import Claim, ClaimVerdict, Member, Settlement, TokenState
from gateway.dispatch.claims import AWAY_S, Claims
from gateway.dispatch.settlements import RECENT_S, SETTLEMENTS_AT_ONCE
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.ledger import LedgerRules
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from tests.simulation.fleet import virtual_loop
from tests.unit.core.making import dial

WINDOW_S = 1200.0
CLAIM = Claim("t", "fingerprint", 1)


async def turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(30):
        await asyncio.sleep(0)


@dataclass
class Ledger:
    """The core's part of the ledger; `doubts` are the instants until which it was told to doubt."""

    fingerprints: Fingerprints = field(default_factory=lambda: Fingerprints(b""))
    doubts: list[float] = field(default_factory=list)

    def doubt(self, now: float, until: float) -> None:
        self.doubts.append(until)

    def heard(self, now: float) -> None:
        pass


@dataclass
class World:
    """A store, one replica's messages to it, a clock, and the pauses of the writer."""

    now: float = 100.0
    operations: list[str] = field(default_factory=list)
    fails: bool = False
    limit: int = 1000
    key: bytes | None = None

    def __post_init__(self) -> None:
        self.store = ModelStore(lambda: round(self.now * 1000))
        self.state = ModelState(self.store, on_request=self._asked)
        self.pause = asyncio.Event()
        self.ledger = Ledger()
        self.claims = self.new_claims(self.ledger)

    def new_claims(self, ledger: Ledger) -> Claims:
        """Make one replica's messages to the store."""
        return Claims(
            self.state,
            ledger,
            "a",
            lambda: ["a"],
            lambda: self.now,
            WINDOW_S,
            self.key,
            sleep=self._sleep,
            backlog_limit=self.limit,
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


def test_a_slow_shared_state_is_asked_again_for_the_same_call() -> None:
    async def claim_and_look_up() -> None:
        world = World()

        async def slow(operation: str) -> None:
            world.operations.append(operation)
            if world.operations.count(operation) == 1:  # its reply is lost
                await asyncio.sleep(60.0)

        world.state.on_request = slow
        assert await world.claims.claim("campaign", [CLAIM]) is not None
        assert await world.claims.look_up("campaign", ["t"]) is not None
        assert world.operations == ["claim"] * 2 + ["look_up"] * 2

    virtual_loop.run(claim_and_look_up())


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


async def test_a_beat_shows_that_the_shared_state_is_back() -> None:
    world = World(fails=True)
    await world.claims.claim("campaign", [CLAIM])
    world.fails = False
    assert await world.claims.claim("campaign", [CLAIM]) is None
    world.claims.seen("one", [])
    assert await world.claims.claim("campaign", [CLAIM]) is not None


async def test_settlements_are_written_in_few_commands() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.settle(accepted(f"t{number}") for number in range(SETTLEMENTS_AT_ONCE + 1))
    await asyncio.wait_for(world.claims.written(), 1)
    assert world.operations == ["keep_fingerprint_key", "settle", "settle"]
    assert len(world.recorded) == SETTLEMENTS_AT_ONCE + 1
    assert world.claims.waiting == 0
    writer.cancel()


async def test_settlements_wait_for_the_shared_state_and_keep_their_order() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    await turns()
    world.fails = True
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
    world = World(limit=10)
    writer = asyncio.create_task(world.claims.run())
    await turns()
    world.fails = True
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
        if operation == "settle":
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


# --- the key, and lost records -----------------------------------------------------------------------------


async def test_all_replicas_use_the_key_that_the_first_has_kept() -> None:
    world, second = World(), Ledger()
    before = world.ledger.fingerprints.of(dial())
    writers = [asyncio.create_task(claims.run()) for claims in (world.claims, world.new_claims(second))]
    await turns()
    assert world.ledger.fingerprints.of(dial()) == second.fingerprints.of(dial()) != before
    for writer in writers:
        writer.cancel()


async def test_a_key_from_a_file_is_used_whatever_the_store_keeps() -> None:
    world = World(key=b"from a file")
    writer = asyncio.create_task(world.claims.run())
    await turns()
    assert world.ledger.fingerprints.of(dial()) == Fingerprints(b"from a file").of(dial())
    writer.cancel()


async def test_the_key_is_asked_for_until_the_store_answers() -> None:
    world = World(fails=True)
    writer = asyncio.create_task(world.claims.run())
    await turns()
    before = world.ledger.fingerprints
    world.fails = False
    await world.after_pause()
    assert world.ledger.fingerprints is not before
    writer.cancel()


async def test_after_a_flush_tokens_are_in_doubt_for_the_replay_window() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    world.claims.seen("one", [])
    assert world.ledger.doubts == []
    world.store.flush()
    world.claims.seen("two", [])
    assert world.ledger.doubts == [math.inf]
    await turns()
    assert world.ledger.doubts == [math.inf, world.now + WINDOW_S]
    world.claims.seen("two", [])
    await turns()
    assert len(world.ledger.doubts) == 2
    writer.cancel()


async def test_after_a_failover_tokens_are_in_doubt_until_recent_results_are_written_again() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    copy = world.store.snapshot()
    free = ("campaign", Settlement("free", "fingerprint", 1, None))
    world.claims.settle([accepted("t"), free])
    await turns()
    world.store.fail_over(copy)
    assert world.recorded == {}
    world.claims.seen("two", [])
    await turns()
    assert world.recorded == {"t": TokenState.ACCEPTED}
    assert world.ledger.doubts == [math.inf, world.now + WRITE_AGAIN_S]
    writer.cancel()


async def test_only_recent_results_are_written_again() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    world.claims.settle([accepted("old")])
    await turns()
    world.now += RECENT_S + 1.0
    world.store.flush()
    world.claims.seen("two", [])
    await turns()
    assert world.recorded == {}
    writer.cancel()


async def test_a_replica_that_just_started_doubts_nothing() -> None:
    world = World()
    world.claims.seen("one", [])
    writer = asyncio.create_task(world.claims.run())
    await turns()
    assert world.ledger.doubts == []
    writer.cancel()


async def test_a_lost_replica_brings_doubt_until_it_is_back() -> None:
    world = World()
    world.claims.seen("one", [Member("a", "a"), Member("b", "b", lost=True)])
    world.claims.seen("one", [Member("a", "a"), Member("b", "b", lost=True)])
    assert world.ledger.doubts == [math.inf]
    world.claims.seen("one", [Member("a", "a"), Member("b", "b")])
    assert world.ledger.doubts == [math.inf, world.now + WRITE_AGAIN_S]


async def test_a_flush_is_noticed_by_the_first_claim_after_it() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    await turns()
    world.store.flush()
    assert await world.claims.claim("campaign", [CLAIM]) is None
    assert world.ledger.doubts == [math.inf]
    await turns()
    assert world.ledger.doubts[1:] == [world.now + WINDOW_S]
    assert await world.claims.claim("campaign", [CLAIM]) is not None
    writer.cancel()


async def test_a_failover_is_noticed_by_the_first_look_up_after_it() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    await turns()
    await world.claims.look_up("campaign", ["t"])
    world.store.fail_over(world.store.snapshot())
    assert await world.claims.look_up("campaign", ["t"]) is None
    await turns()
    assert world.ledger.doubts == [math.inf, world.now + WRITE_AGAIN_S]
    assert await world.claims.look_up("campaign", ["t"]) == {}
    writer.cancel()


async def test_a_replica_that_starts_after_a_flush_learns_of_the_doubt() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    world.store.flush()
    world.claims.seen("two", [])
    await turns()
    newcomer = Claims(ModelState(world.store), Ledger(), "b", list, lambda: world.now, WINDOW_S)
    verdicts = await newcomer.claim("campaign", [CLAIM])
    assert verdicts is not None
    assert [one.verdict for one in verdicts] == [ClaimVerdict.TAKEN_OVER]
    found = await newcomer.look_up("campaign", ["u"])
    assert found is not None
    assert found["u"].state is TokenState.UNKNOWN
    world.now += WINDOW_S
    assert await newcomer.look_up("campaign", ["u"]) == {}
    writer.cancel()


async def test_a_flush_before_the_first_key_brings_doubt_for_the_replay_window() -> None:
    world = World()
    world.claims.seen("one", [])
    world.store.flush()
    world.claims.seen("two", [])
    assert world.ledger.doubts == [math.inf]
    writer = asyncio.create_task(world.claims.run())
    await turns()
    assert world.ledger.doubts == [math.inf, world.now + WINDOW_S]
    writer.cancel()


async def test_a_replica_that_starts_doubts_until_results_of_unclaimed_calls_are_written() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    await turns()
    newcomer = Claims(ModelState(world.store), Ledger(), "b", list, lambda: world.now, WINDOW_S)
    assert await newcomer.look_up("campaign", ["t"]) == {}

    async def no_results(operation: str) -> None:
        if operation == "settle":
            raise SharedStateUnavailable("it is slow")

    world.state.on_request = no_results
    world.claims.unclaimed()
    world.claims.settle([accepted("t")])
    for _ in range(10):  # for longer than one note lasts
        await turns()
        found = await newcomer.look_up("campaign", ["t"])
        assert found is not None
        assert found["t"].state is TokenState.UNKNOWN
        await world.after_pause()
    world.state.on_request = world._asked
    await world.after_pause()
    assert world.recorded == {"t": TokenState.ACCEPTED}
    world.now += WRITE_AGAIN_S
    assert await newcomer.look_up("campaign", ["u"]) == {}
    writer.cancel()
