"""The key of fingerprints, and what a replica doubts after the store has lost records."""

import asyncio
import math

from gateway.core.claims.doubts import WRITE_AGAIN_S
from gateway.core.fleet.fingerprints import Fingerprints
from gateway.core.fleet.messages import ClaimVerdict, Member, Settlement, TokenState
from gateway.fleet.claims import Claims
from gateway.fleet.settlements import RECENT_S
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from tests.unit.core.making import dial
from tests.unit.fleet.ledger_world import CLAIM, WINDOW_S, Ledger, World, accepted, turns


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
