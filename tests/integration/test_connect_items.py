"""Connect's answers to single items, through the real boto3."""

import pytest

from gateway.simulator import BufferSize, FaultKind
from tests.integration.world import World, dial, dials, verdict, verdicts


async def test_an_item_that_connect_finds_invalid(world: World) -> None:
    """An item with InvalidInput is REJECTED at once, and the others of its call are accepted."""
    world.fault(FaultKind.ITEM_FAILURE, code="InvalidInput", token="t-3")
    results = await world.ask(*dials(25))
    assert verdict(results[3]) == "REJECTED INVALID_INPUT NEVER"
    assert verdicts(results).count("ACCEPTED") == 24
    assert len(world.calls()) == 1


@pytest.mark.parametrize("code", ["UnknownError", "BrandNewError"])
async def test_an_item_that_fails_now_and_then(world: World, code: str) -> None:
    """An item with UnknownError or an unknown code is sent again and accepted; attempts are counted."""
    world.fault(FaultKind.ITEM_FAILURE, code=code, token="t-3", count=2)
    results = await world.ask(*dials(25))
    assert verdicts(results) == ["ACCEPTED"] * 25
    assert [result.attempts for result in results if result.index in {2, 3}] == [1, 3]
    assert world.simulator.connect.stats().illegal_calls == 0


async def test_an_item_that_always_fails(world: World) -> None:
    """An item that fails in every attempt is NOT_ACCEPTED, since Connect does not have it."""
    world.fault(FaultKind.ITEM_FAILURE, code="UnknownError", token="t-0")
    results = await world.ask(*dials(2))
    assert verdicts(results) == ["NOT_ACCEPTED CONNECT_ERROR SAME_TOKEN", "ACCEPTED"]
    assert (results[0].attempts, world.dialed("t-0")) == (5, 0)


@pytest.mark.parametrize("taken", [True, False])
async def test_an_item_that_is_never_mentioned(world: World, taken: bool) -> None:
    """An item in neither list, in every attempt, is UNKNOWN: Connect may have it, and dials at most once."""
    world.fault(FaultKind.ITEM_MISSING, token="t-0", after_work=taken)
    results = await world.ask(*dials(2))
    assert verdicts(results) == ["UNKNOWN CONNECT_ERROR SAME_TOKEN", "ACCEPTED"]
    assert (results[0].attempts, world.dialed("t-0")) == (5, int(taken))


async def test_an_item_that_is_forgotten_once(world: World) -> None:
    """An item in neither list is sent again with its token, and accepted without a second dial."""
    world.fault(FaultKind.ITEM_MISSING, token="t-0", after_work=True, count=1)
    (result,) = await world.ask(dial("t-0"))
    assert (verdict(result), result.attempts, world.dialed("t-0")) == ("ACCEPTED", 2, 1)


async def test_an_item_once_in_doubt_stays_in_doubt(world: World) -> None:
    """An item that Connect may have accepted is UNKNOWN, not REJECTED, even if it is refused later."""
    world.fault(FaultKind.ITEM_MISSING, token="t-0", count=1)
    world.fault(FaultKind.ITEM_FAILURE, code="InvalidInput", token="t-0")
    assert verdicts(await world.ask(dial("t-0"))) == ["UNKNOWN INVALID_INPUT SAME_TOKEN"]


async def test_an_item_in_both_lists(world: World) -> None:
    """An item in both lists is ACCEPTED with Connect's id."""
    world.fault(FaultKind.ITEM_IN_BOTH, code="UnknownError", token="t-0")
    results = await world.ask(*dials(2))
    assert verdicts(results) == ["ACCEPTED"] * 2
    assert results[0].dial_request_id == world.calls()[0].accepted[0].id


async def test_an_item_throttled_for_capacity(world: World) -> None:
    """An item throttled for capacity waits and is accepted later, without counting an attempt."""
    world.fault(FaultKind.ITEM_FAILURE, code="RequestThrottled", token="t-0", count=1)
    results = await world.ask(*dials(2))
    assert verdicts(results) == ["ACCEPTED"] * 2
    assert [result.attempts for result in results] == [2, 1]


async def test_a_campaign_whose_buffer_is_full(world: World) -> None:
    """Items that a full campaign throttles are sent as its dialer makes room; all are accepted in the end."""
    world.simulator.connect.set_buffer("full", BufferSize(capacity=50, drain_per_s=40))
    assert verdicts(await world.ask(*dials(60), campaign="full")) == ["ACCEPTED"] * 60
    assert world.simulator.connect.stats().items["RequestThrottled"] >= 5


@pytest.mark.parametrize("attempts", [1, 3])
async def test_answers_match_by_token(world: World, attempts: int) -> None:
    """Each answer has the id that Connect gave to its own token, after any number of attempts."""
    if attempts > 1:
        world.fault(FaultKind.EXCEPTION, code="InternalServerException", count=attempts - 1)
    results = await world.ask(*dials(60))
    ids = {item.token: item.id for call in world.calls() for item in call.accepted if not item.replayed}
    assert {result.client_token: result.dial_request_id for result in results} == ids
