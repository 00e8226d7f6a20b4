"""The ledger's messages of one replica, over a model of the shared state."""

import asyncio
import logging

import pytest

from gateway.core.fleet.messages import ClaimVerdict, Settlement, TokenState
from gateway.fleet.ledger_questions import AWAY_S
from gateway.fleet.settlements import SETTLEMENTS_AT_ONCE
from tests.simulation.fleet import virtual_loop
from tests.unit.fleet.ledger_world import CLAIM, World, accepted, turns


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
