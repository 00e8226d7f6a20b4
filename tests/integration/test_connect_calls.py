"""Connect's answers to whole calls, through the real boto3."""

import asyncio
import socket
from typing import Any

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.simulator import CampaignState, FaultKind, SimulatorSettings
from tests.integration.world import CAMPAIGN, World, WorldOptions, dial, dials, until, verdicts, world_of

FAILED = "UNKNOWN CONNECT_ERROR SAME_TOKEN"
LOST = "UNKNOWN CONNECT_UNREACHABLE SAME_TOKEN"
DENIED = "NOT_ACCEPTED ACCESS_DENIED SAME_TOKEN"

PASSING: dict[str, tuple[FaultKind, dict[str, Any]]] = {
    "500": (FaultKind.EXCEPTION, {"code": "InternalServerException"}),
    "500 after the work": (FaultKind.EXCEPTION, {"code": "InternalServerException", "after_work": True}),
    "503 unheard of": (FaultKind.EXCEPTION, {"code": "NewException", "status": 503}),
    "reset": (FaultKind.RESET, {}),
    "reset after the work": (FaultKind.RESET, {"after_work": True}),
    "no answer": (FaultKind.NO_ANSWER, {}),
    "no answer after the work": (FaultKind.NO_ANSWER, {"after_work": True}),
}


@pytest.mark.parametrize(("kind", "values"), PASSING.values(), ids=PASSING)
async def test_a_temporary_failure(kind: FaultKind, values: dict[str, Any]) -> None:
    """A call that fails temporarily is sent again with the same tokens, and nothing is dialed twice."""
    async with world_of(call_timeout=1.5) as world:
        world.fault(kind, **values, count=2)
        results = await world.ask(*dials(25))
        assert verdicts(results) == ["ACCEPTED"] * 25
        assert {result.attempts for result in results} == {3}
        dialed = world.simulator.connect.journal.dials(CAMPAIGN)
        assert dialed == {(CAMPAIGN, f"t-{number}"): 1 for number in range(25)}
        assert [call.items for call in world.calls()] == [25, 25, 25]


@pytest.mark.parametrize(("kind", "values"), PASSING.values(), ids=PASSING)
async def test_a_permanent_failure(kind: FaultKind, values: dict[str, Any]) -> None:
    """A failure in all attempts is UNKNOWN: CONNECT_ERROR if Connect answered, otherwise UNREACHABLE."""
    async with world_of(call_timeout=1.5, max_attempts=2) as world:
        world.fault(kind, **values)
        results = await world.ask(*dials(3))
        assert verdicts(results) == [FAILED if kind is FaultKind.EXCEPTION else LOST] * 3
        assert {result.attempts for result in results} == {2}
        assert len(world.calls()) == 2


async def test_a_refused_connection() -> None:
    """If no connection is established Connect cannot have the requests: NOT_ACCEPTED."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        options = WorldOptions(endpoint=f"http://127.0.0.1:{unheard.getsockname()[1]}")
        async with world_of(options, max_attempts=3) as world:
            results = await world.ask(*dials(3))
            assert verdicts(results) == ["NOT_ACCEPTED CONNECT_UNREACHABLE SAME_TOKEN"] * 3
            assert {result.attempts for result in results} == {3}


async def test_wrong_credentials() -> None:
    """With wrong credentials waiting requests are NOT_ACCEPTED/ACCESS_DENIED after a while."""
    async with world_of(WorldOptions(keys=("simulator", "wrong"))) as world:
        results = await world.ask(*dials(30))
        assert verdicts(results) == [DENIED] * 30
        assert all(result.HasField("retry_after") for result in results)
        assert world.simulator.connect.stats().refused
        assert world.calls() == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ExpiredTokenException", 400),
        ("ExpiredToken", 403),
        ("InvalidSignatureException", 403),
        ("UnrecognizedClientException", 403),
        ("RequestTimeTooSkewed", 403),
    ],
)
async def test_one_refusal_of_the_credentials_answers_no_request(
    world: World, code: str, status: int
) -> None:
    """After expired credentials or one refused signature requests wait, and none is denied."""
    world.fault(FaultKind.EXCEPTION, code=code, status=status, count=2)
    assert verdicts(await world.ask(*dials(200))) == ["ACCEPTED"] * 200


async def test_denied_access(world: World) -> None:
    """AccessDeniedException answers the campaign's requests, and later ones are tried again."""
    world.fault(FaultKind.EXCEPTION, code="AccessDeniedException", count=1)
    assert verdicts(await world.ask(*dials(3))) == [DENIED] * 3
    assert verdicts(await world.ask(*dials(3))) == ["ACCEPTED"] * 3


async def test_a_throttled_call() -> None:
    """ThrottlingException requeues the requests without counting an attempt; all are accepted."""
    async with world_of(max_attempts=1) as world:
        world.fault(FaultKind.EXCEPTION, code="ThrottlingException", count=2)
        results = await world.ask(*dials(25))
        assert verdicts(results) == ["ACCEPTED"] * 25
        assert {result.attempts for result in results} == {3}


async def test_a_temporary_conflict(world: World) -> None:
    """ConflictException is retried, and the requests are accepted once it has passed."""
    world.fault(FaultKind.EXCEPTION, code="ConflictException", count=2)
    assert verdicts(await world.ask(*dials(5))) == ["ACCEPTED"] * 5


async def test_a_permanent_conflict(world: World) -> None:
    """ConflictException in each attempt is NOT_ACCEPTED, because nothing was carried out."""
    world.fault(FaultKind.EXCEPTION, code="ConflictException")
    results = await world.ask(*dials(5))
    assert verdicts(results) == ["NOT_ACCEPTED CONNECT_ERROR SAME_TOKEN"] * 5
    assert {result.attempts for result in results} == {5}


async def test_an_unknown_campaign(world: World) -> None:
    """An unknown campaign answers all waiting requests, and later ones for a while without more calls."""
    world.simulator.connect.forget_campaign("gone")
    results = await world.ask(*dials(40), campaign="gone")
    assert verdicts(results) == ["REJECTED CAMPAIGN_NOT_FOUND NEVER"] * 40
    calls = len(world.calls())
    (again,) = await world.ask(dial("new"), campaign="gone")
    assert (verdicts([again]), again.attempts) == (["REJECTED CAMPAIGN_NOT_FOUND NEVER"], 0)
    assert len(world.calls()) == calls <= 2
    assert verdicts(await world.ask(dial("new"))) == ["ACCEPTED"]


@pytest.mark.parametrize("state", [CampaignState.STOPPED, CampaignState.FAILED])
async def test_a_stopped_or_failed_campaign(world: World, state: CampaignState) -> None:
    """A stopped or failed campaign rejects all waiting requests, with its state in the detail."""
    world.simulator.connect.set_state("over", state)
    results = await world.ask(*dials(3), campaign="over")
    assert verdicts(results) == ["REJECTED CAMPAIGN_NOT_RUNNING NEVER"] * 3
    assert all(state in result.detail for result in results)


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.INITIALIZED])
async def test_a_campaign_that_does_not_run_yet(world: World, state: CampaignState) -> None:
    """A paused or new campaign keeps its requests, costs one call, and accepts them once it runs."""
    world.simulator.connect.set_state("soon", state)
    caller = world.stream()
    asking = asyncio.create_task(caller.ask(*dials(3), campaign="soon"))
    await until(lambda: caller.notices)
    assert (caller.notices[0].kind, state in caller.notices[0].detail) == (
        pb.NOTICE_KIND_CAMPAIGN_PARKED,
        True,
    )
    await until(world.state_calls)
    assert (asking.done(), len(world.calls())) == (False, 1)
    world.simulator.connect.set_state("soon", CampaignState.RUNNING)
    assert verdicts(await asking) == ["ACCEPTED"] * 3
    assert len(world.calls()) == 2


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.INITIALIZED])
async def test_a_campaign_that_does_not_run_in_time(state: CampaignState) -> None:
    """Requests of a paused or new campaign that expire are EXPIRED with that reason."""
    async with world_of(expiry_headroom=0.2) as world:
        world.simulator.connect.set_state("late", state)
        results = await world.ask(*dials(3, expires_in=3.5), campaign="late")
        assert verdicts(results) == ["EXPIRED CAMPAIGN_NOT_RUNNING SAME_TOKEN"] * 3
        assert len(world.calls()) == 1


async def test_one_item_that_makes_connect_refuse_the_call(world: World) -> None:
    """The one item for which Connect refuses a whole call is found and REJECTED; the others are accepted."""
    world.fault(FaultKind.EXCEPTION, code="ValidationException", token="t-7")
    results = await world.ask(*dials(25))
    assert [result.index for result in results if verdicts([result]) != ["ACCEPTED"]] == [7]
    assert verdicts([results[7]]) == ["REJECTED INVALID_INPUT NEVER"]
    # The call of 25 is halved until one item is left: one call, then two for each of five cuts.
    assert len(world.calls()) == 11
    assert set(world.simulator.connect.journal.dials().values()) == {1}


async def test_a_call_too_large_for_connect() -> None:
    """A call that Connect finds too large is split like an invalid one, and the good items are accepted."""
    options = WorldOptions(simulator=SimulatorSettings(call_rate=0, max_body_bytes=100_000))
    async with world_of(options) as world:
        items = [dial(f"t-{n}", attributes={"k": "v" * 30_000}) for n in range(5)]
        assert verdicts(await world.ask(*items)) == ["ACCEPTED"] * 5


async def test_a_failing_campaign_does_not_delay_another(world: World) -> None:
    """While one campaign's calls fail or hang, another's are accepted."""
    world.fault(FaultKind.NO_ANSWER, campaign="bad")
    hanging = world.stream()
    await hanging.send(*dials(25), campaign="bad")
    assert verdicts(await world.ask(*dials(30), campaign="good")) == ["ACCEPTED"] * 30
    hanging.call.cancel()
