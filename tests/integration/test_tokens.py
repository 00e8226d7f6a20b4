"""The token of a request decides whether it joins, is replayed, conflicts, or may be sent again."""

import asyncio
from typing import Any

from gateway.simulator import FaultKind
from tests.integration.world import Caller, World, dial, until, verdict, verdicts, world_of

CONFLICT = "REJECTED TOKEN_CONFLICT NEW_TOKEN"
OTHER_PHONE: dict[str, Any] = {"phone_number": "+12065550199"}
OTHER_ATTRIBUTES: dict[str, Any] = {"attributes": {"name": "other"}}


async def test_a_token_in_flight_is_joined(world: World) -> None:
    """Two streams that send the same dial request while it is in flight share one call and one answer."""
    world.fault(FaultKind.LATENCY, latency_s=2.0)
    first, second = world.stream(), world.stream()
    await first.send(dial("a"))
    await until(world.calls)
    (one,), (two,) = await asyncio.gather(first.ask(), second.ask(dial("a")))
    assert (verdict(one), verdict(two)) == ("ACCEPTED", "ACCEPTED")
    assert (one.dial_request_id, one.trace_id) == (two.dial_request_id, two.trace_id)
    assert not one.replayed
    assert not two.replayed
    assert len(world.calls()) == 1


async def test_a_waiting_token_is_joined() -> None:
    """Two streams that send the same dial request while it waits share one item of one call."""
    async with world_of(linger=0.3) as world:
        callers = [world.stream() for _ in range(2)]
        for caller in callers:
            await caller.send(dial("a"))
        answers = [await caller.read(1) for caller in callers]
        assert [verdicts(results) for results in answers] == [["ACCEPTED"]] * 2
        assert [call.items for call in world.calls()] == [1]


async def test_an_accepted_token_is_replayed(world: World) -> None:
    """A token accepted before is answered at once with the same id and trace, and without a call."""
    (first,) = await world.ask(dial("a"))
    (again,) = await world.ask(dial("a"))
    (listed,) = await world.put(dial("a"))
    for replay in (again, listed):
        assert (verdict(replay), replay.replayed, replay.attempts) == ("ACCEPTED", True, 0)
        assert (replay.dial_request_id, replay.trace_id) == (first.dial_request_id, first.trace_id)
    assert not first.replayed
    assert len(world.calls()) == 1


async def test_tokens_are_separate_per_campaign(world: World) -> None:
    """The same token in another campaign is another dial request, which may have another number."""
    await world.ask(dial("a"))
    (other,) = await world.ask(dial("a", **OTHER_PHONE), campaign="other")
    assert (verdict(other), other.replayed) == ("ACCEPTED", False)


async def test_another_dial_under_an_accepted_token_conflicts(world: World) -> None:
    """Another number or other attributes under an accepted token are a conflict, named without values."""
    await world.ask(dial("a"))
    results = await world.ask(dial("a", **OTHER_PHONE), dial("a", **OTHER_ATTRIBUTES), dial("a"))
    assert verdicts(results) == [CONFLICT, CONFLICT, "ACCEPTED"]
    assert results[0].detail.startswith("client_token:")
    assert not any("0199" in result.detail or "other'" in result.detail for result in results)
    assert len(world.calls()) == 1


async def test_another_dial_under_a_token_in_flight_conflicts(world: World) -> None:
    """A conflict with a token in flight is answered at once; the first request is not affected."""
    world.fault(FaultKind.LATENCY, latency_s=2.0)
    first = world.stream()
    await first.send(dial("a"))
    await until(world.calls)
    assert verdicts(await world.ask(dial("a", **OTHER_PHONE))) == [CONFLICT]
    assert verdicts(await first.ask()) == ["ACCEPTED"]
    assert len(world.calls()) == 1


async def test_a_token_is_free_after_not_accepted(world: World) -> None:
    """After NOT_ACCEPTED the same token may be sent again, even for another dial request."""
    world.fault(FaultKind.ITEM_FAILURE, code="UnknownError", count=5)
    assert verdicts(await world.ask(dial("a"))) == ["NOT_ACCEPTED CONNECT_ERROR SAME_TOKEN"]
    (again,) = await world.ask(dial("a", **OTHER_PHONE))
    assert (verdict(again), again.replayed, again.attempts) == ("ACCEPTED", False, 1)


async def test_a_token_is_free_after_unknown_and_dials_once() -> None:
    """After UNKNOWN the same token may be sent again: it becomes ACCEPTED, and is dialed only once."""
    async with world_of(max_attempts=2) as world:
        world.fault(FaultKind.RESET, after_work=True, count=2)
        (unknown,) = await world.ask(dial("a"))
        assert verdict(unknown) == "UNKNOWN CONNECT_UNREACHABLE SAME_TOKEN"
        (again,) = await world.ask(dial("a"))
        assert (verdict(again), again.replayed) == ("ACCEPTED", False)
        assert world.dialed("a") == 1


async def test_another_dial_after_unknown_conflicts() -> None:
    """After UNKNOWN another number under the token is a conflict, because Connect may have the first."""
    async with world_of(max_attempts=1) as world:
        world.fault(FaultKind.RESET, after_work=True, count=1)
        assert verdicts(await world.ask(dial("a"))) == ["UNKNOWN CONNECT_UNREACHABLE SAME_TOKEN"]
        assert verdicts(await world.ask(dial("a", **OTHER_PHONE))) == [CONFLICT]


async def test_a_token_is_free_after_expired(world: World) -> None:
    """After EXPIRED the same token may be sent again with a later expiration."""
    assert (await world.ask(dial("a", expires_in=3)))[0].outcome == 3
    assert verdicts(await world.ask(dial("a"))) == ["ACCEPTED"]


async def test_the_replay_window_ends() -> None:
    """After the replay window a token is sent to Connect again, which knows it: no second dial."""
    async with world_of(replay_window=0.2) as world:
        (first,) = await world.ask(dial("a"))
        await asyncio.sleep(0.45)
        (again,) = await world.ask(dial("a"))
        assert (verdict(again), again.replayed) == ("ACCEPTED", False)
        assert again.dial_request_id == first.dial_request_id
        assert (len(world.calls()), world.dialed("a")) == (2, 1)


async def test_many_streams_send_the_same_tokens(world: World) -> None:
    """Many streams send the same tokens at once: each stream is answered and each token dialed once."""

    async def ask(caller: Caller) -> list[str]:
        return verdicts(await caller.ask(*(dial(f"t-{n}") for n in range(60))))

    assert await asyncio.gather(*(ask(world.stream()) for _ in range(20))) == [["ACCEPTED"] * 60] * 20
    dialed = world.simulator.connect.journal.dials()
    assert (len(dialed), set(dialed.values())) == (60, {1})
