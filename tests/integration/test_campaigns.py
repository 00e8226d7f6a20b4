"""Campaigns that do not flow, priorities, and both versions of Connect's API, as callers see them."""

import asyncio
from functools import partial

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.simulator import CampaignState, FaultKind
from tests.integration.world import Caller, World, dial, dials, until, verdicts, world_of

COOLING = pb.NOTICE_KIND_CAMPAIGN_COOLING
PARKED = pb.NOTICE_KIND_CAMPAIGN_PARKED
RESUMED = pb.NOTICE_KIND_CAMPAIGN_RESUMED
V1_PUT, V2_PUT = "PutDialRequestBatch", "PutOutboundRequestBatch"
UNKNOWN_PRIORITY = 9


def kinds(caller: Caller) -> list[int]:
    """Return the kinds of the notices that a caller got."""
    return [notice.kind for notice in caller.notices]


async def test_a_paused_campaign_keeps_its_requests(world: World) -> None:
    """While a campaign is paused its requests wait, each stream gets one notice, and all are sent when it
    resumes.
    """
    world.simulator.connect.set_state("c", CampaignState.PAUSED)
    first, second = world.stream(), world.stream()
    await first.send(*dials(60, "first"), campaign="c")
    await first.message()
    assert kinds(first) == [PARKED]
    await first.send(*dials(60, "more"), campaign="c")
    await second.send(*dials(30, "second"), campaign="c")
    await second.message()
    assert verdicts(await world.ask(*dials(30), campaign="other")) == ["ACCEPTED"] * 30
    await until(lambda: world.state_calls() >= 2)
    assert (world.gateway.engine.outstanding, len(world.simulator.connect.journal.dials("c"))) == (150, 0)
    assert len(world.calls("c")) <= 3
    world.simulator.connect.set_state("c", CampaignState.RUNNING)
    answers = await asyncio.gather(first.read(120), second.read(30))
    assert [verdicts(results) for results in answers] == [["ACCEPTED"] * 120, ["ACCEPTED"] * 30]
    assert [await caller.ask() for caller in (first, second)] == [[], []]
    assert [kinds(caller) for caller in (first, second)] == [[PARKED, RESUMED]] * 2
    assert set(world.simulator.connect.journal.dials("c").values()) == {1}


async def test_a_campaign_that_ends_while_it_is_parked(world: World) -> None:
    """Requests that wait for a paused campaign are REJECTED when it is stopped, without another call."""
    world.simulator.connect.set_state("c", CampaignState.PAUSED)
    caller = world.stream()
    await caller.send(*dials(3), campaign="c")
    await caller.message()
    calls = len(world.calls("c"))
    world.simulator.connect.set_state("c", CampaignState.STOPPED)
    assert verdicts(await caller.ask()) == ["REJECTED CAMPAIGN_NOT_RUNNING NEVER"] * 3
    assert (kinds(caller), len(world.calls("c"))) == ([PARKED], calls)


async def test_a_campaign_without_room_cools_down(world: World) -> None:
    """A throttled campaign pauses, restarts with small calls and sends one notice; others continue."""
    world.fault(FaultKind.ITEM_FAILURE, code="RequestThrottled", campaign="full")
    caller = world.stream()
    await caller.send(*dials(30), campaign="full")
    await caller.message()
    assert kinds(caller) == [COOLING]
    assert 0.5 <= caller.notices[0].retry_after.ToTimedelta().total_seconds() <= 1.2
    assert verdicts(await world.ask(*dials(100), campaign="good")) == ["ACCEPTED"] * 100
    assert len(world.calls("full")) <= 2
    world.simulator.connect.clear_faults()
    assert verdicts(await caller.read(30)) == ["ACCEPTED"] * 30
    assert [call.items for call in world.calls("full")][-3:] == [1, 13, 16]
    assert await caller.ask() == []
    assert kinds(caller) == [COOLING, RESUMED]


async def test_a_missing_right_to_read_states(world: World) -> None:
    """Without the right to read states a parked campaign is probed now and then; nothing else is affected."""
    world.fault(FaultKind.EXCEPTION, code="AccessDeniedException", operation="GetCampaignStateBatch")
    world.simulator.connect.set_state("c", CampaignState.PAUSED)
    caller = world.stream()
    await caller.send(*dials(30), campaign="c")
    await until(world.state_calls)
    calls = len(world.calls("c"))
    assert verdicts(await world.ask(*dials(30), campaign="good")) == ["ACCEPTED"] * 30
    world.simulator.connect.set_state("c", CampaignState.RUNNING)
    assert verdicts(await caller.read(30)) == ["ACCEPTED"] * 30
    assert [call.items for call in world.calls("c")][calls:] == [1, 13, 16]
    assert await caller.ask() == []
    assert (kinds(caller), world.state_calls()) == ([PARKED, RESUMED], 1)


async def test_priorities_on_the_wire() -> None:
    """HIGH is sent before earlier requests, BULK after all; an unknown number is the default priority."""
    async with world_of(max_concurrent_calls=1) as world:
        world.fault(FaultKind.LATENCY, campaign="busy", latency_s=2.0)
        busy = asyncio.create_task(world.ask(dial("busy"), campaign="busy"))
        await until(world.calls)
        numbers = {
            "bulk": pb.PRIORITY_BULK,
            "unknown": UNKNOWN_PRIORITY,
            "usual": pb.PRIORITY_NORMAL,
            "unset": pb.PRIORITY_UNSPECIFIED,
            "high": pb.PRIORITY_HIGH,
        }
        caller = world.stream()
        for campaign, number in numbers.items():
            await caller.send(*dials(25), campaign=campaign, priority=number)
        await until(lambda: world.gateway.engine.outstanding == 126)
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * 125
        await busy
        order = [call.campaign for call in world.calls()]
        assert order == ["busy", "high", "unknown", "usual", "unset", "bulk"]


async def test_priorities_within_a_campaign() -> None:
    """Within one campaign HIGH is sent before earlier BULK."""
    async with world_of(max_concurrent_calls=1) as world:
        world.fault(FaultKind.LATENCY, campaign="busy", latency_s=2.0)
        busy = asyncio.create_task(world.ask(dial("busy"), campaign="busy"))
        await until(world.calls)
        caller = world.stream()
        await caller.send(*dials(50, "bulk"), priority=pb.PRIORITY_BULK)
        await caller.send(*dials(25, "high"), priority=pb.PRIORITY_HIGH)
        await until(lambda: world.gateway.engine.outstanding == 76)
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * 75
        await busy
        carried = [{item.token.split("-")[0] for item in call.accepted} for call in world.calls()]
        assert carried == [{"busy"}, {"high"}, {"bulk"}, {"bulk"}]


async def test_the_second_version_of_the_api() -> None:
    """With V2, requests are accepted, failed items reported, full campaigns cooled down and paused ones
    resumed.
    """
    async with world_of(connect_api="v2") as world:
        world.fault(FaultKind.ITEM_FAILURE, code="InvalidInput", token="t-3")
        world.fault(FaultKind.ITEM_FAILURE, code="BufferLimitExceeded", campaign="full", count=20)
        world.simulator.connect.set_state("paused", CampaignState.PAUSED)
        waiting = {campaign: world.stream() for campaign in ("full", "paused")}
        for campaign, caller in waiting.items():
            await caller.send(*dials(25, campaign), campaign=campaign)
            await until(partial(world.calls, campaign))
        results = await world.ask(*dials(30, attributes={"k": "v"}))
        others = [verdict for index, verdict in enumerate(verdicts(results)) if index != 3]
        assert (verdicts(results)[3], others) == ("REJECTED INVALID_INPUT NEVER", ["ACCEPTED"] * 29)
        await until(world.state_calls)
        world.simulator.connect.set_state("paused", CampaignState.RUNNING)
        for caller in waiting.values():
            assert verdicts(await caller.ask()) == ["ACCEPTED"] * 25
        assert [kinds(caller) for caller in waiting.values()] == [[COOLING, RESUMED], [PARKED, RESUMED]]
        assert {call.operation for call in world.calls()} == {V2_PUT}
        assert world.simulator.connect.stats().illegal_calls == 0


@pytest.mark.parametrize(("default", "operation"), [("v1", V1_PUT), ("v2", V2_PUT)])
async def test_campaigns_by_different_versions(default: str, operation: str) -> None:
    """The first matching pattern chooses the API version for a campaign; others use the default."""
    routes = (("debt-old", "v1"), ("debt-*", "v2"), ("trial", "v1"))
    expected = {"debt-old": V1_PUT, "debt-new": V2_PUT, "trial": V1_PUT, "else": operation}
    async with world_of(connect_api=default, connect_api_by_campaign=routes) as world:
        caller = world.stream()
        for campaign in expected:
            await caller.send(*dials(30), campaign=campaign)
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * 120
        for campaign, name in expected.items():
            assert {call.operation for call in world.calls(campaign)} == {name}
        assert world.simulator.connect.stats().illegal_calls == 0


async def test_a_campaign_id_that_v2_does_not_allow() -> None:
    """An id that V2 does not allow is REJECTED with the field before any call; V1 accepts it."""
    async with world_of(connect_api="v2", connect_api_by_campaign=(("v1_*", "v1"),)) as world:
        results = await world.ask(*dials(30), campaign="summer_2026")
        assert set(verdicts(results)) == {"REJECTED INVALID_REQUEST NEVER"}
        assert all(result.detail.startswith("campaign_id: 1 to 256 of") for result in results)
        assert world.calls() == []
        results = await world.ask(*dials(3, "v1"), campaign="v1_summer")
        assert set(verdicts(results)) == {"ACCEPTED"}
