"""Every dial request that is read from a stream gets exactly one answer on that stream."""

import asyncio
from typing import Any

import grpc
import pytest

from dialgateway import DialGatewayClient, Outcome, SyncDialGatewayClient
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.world import CAMPAIGN, PHONE, World, client_dial, dial, dials, verdict, verdicts

BAD_ITEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "no token": ("client_token", {"client_token": ""}),
    "token with a space": ("client_token", {"client_token": "secret token"}),
    "token with a line feed": ("client_token", {"client_token": "secret\n"}),
    "token too long": ("client_token", {"client_token": "s" * 201}),
    "no phone number": ("phone_number", {"phone_number": ""}),
    "phone number without plus": ("phone_number", {"phone_number": "12065550177"}),
    "phone number with dashes": ("phone_number", {"phone_number": "+1-206-555-0177"}),
    "phone number in other digits": ("phone_number", {"phone_number": "+1206555017\u0667"}),
    "phone number too long": ("phone_number", {"phone_number": "+1206555017712345"}),
    "attribute key with a space": ("attributes", {"attributes": {"secret key": "v"}}),
    "empty attribute key": ("attributes", {"attributes": {"": "secret"}}),
    "attribute key too long": ("attributes", {"attributes": {"s" * 32_768: "v"}}),
    "attribute value too long": ("attributes", {"attributes": {"k": "s" * 32_768}}),
}


async def test_bad_items_are_rejected(world: World) -> None:
    """A bad item is REJECTED with the name of its field but not its value; other items are not affected."""
    bad = [dial(f"bad-{n}", **changes) for n, (_, changes) in enumerate(BAD_ITEMS.values())]
    good = dials(len(bad), "good")
    results = await world.ask(*(item for pair in zip(good, bad, strict=True) for item in pair))
    assert verdicts(results[0::2]) == ["ACCEPTED"] * len(good)
    told = {name: result.detail for name, result in zip(BAD_ITEMS, results[1::2], strict=True)}
    assert {name: detail.partition(":")[0] for name, detail in told.items()} == {
        name: field for name, (field, _) in BAD_ITEMS.items()
    }
    assert verdicts(results[1::2]) == ["REJECTED INVALID_REQUEST NEVER"] * len(bad)
    assert not any(part in str(told) for part in ("secret", "sss", "0177", "206"))
    assert {item.token for call in world.calls() for item in call.accepted} == {
        item.client_token for item in good
    }


async def test_invalid_and_past_expirations_are_rejected(world: World) -> None:
    """An expiration that is past or no valid time is REJECTED, and nothing is sent."""
    items = dials(5)
    years = (0, -1, -62_135_596_801, 253_402_300_800, 1_000_000_000)
    for item, seconds in zip(items, years, strict=True):
        item.expiration_time.seconds = seconds
    results = await world.ask(*items)
    assert verdicts(results) == ["REJECTED INVALID_REQUEST NEVER"] * 5
    assert {result.detail.partition(":")[0] for result in results} == {"expiration_time"}
    assert world.calls() == []


async def test_an_expiration_is_required(world: World) -> None:
    """A request without an expiration is REJECTED."""
    bad = dial("bad")
    bad.ClearField("expiration_time")
    (result,) = await world.ask(bad)
    assert (verdict(result), result.detail[:16]) == ("REJECTED INVALID_REQUEST NEVER", "expiration_time:")


async def test_a_bad_campaign_id_rejects_each_request_of_its_list(world: World) -> None:
    """An illegal campaign id rejects each request of the message, and the stream continues."""
    caller = world.stream()
    for campaign in ("", "c d", "c" * 257, "."):
        await caller.send(dial("a"), dial("b"), campaign=campaign)
    bad = await caller.read(8)
    assert [result.index for result in bad] == list(range(8))
    assert verdicts(bad) == ["REJECTED INVALID_REQUEST NEVER"] * 8
    assert all(result.detail.startswith("campaign_id:") for result in bad)
    assert verdicts(await caller.ask(dial("a"))) == ["ACCEPTED"]


async def test_one_answer_for_each_index(world: World) -> None:
    """Good, bad, duplicate and conflicting items: each index is answered once, then the stream ends OK."""
    items = [dial(f"t-{n % 40}", phone_number="bad" if n % 7 == 3 else PHONE) for n in range(200)]
    caller = world.stream()
    for begin in range(0, 200, 10):
        await caller.send(*items[begin : begin + 10])
    await caller.finish()
    results = await caller.rest()
    assert sorted(result.index for result in results) == list(range(200))
    assert all(result.client_token == items[result.index].client_token for result in results)
    rejected = {result.index for result in results if result.outcome == pb.OUTCOME_REJECTED}
    assert rejected == {n for n in range(200) if n % 7 == 3}
    assert await caller.status() is grpc.StatusCode.OK
    assert set(world.simulator.connect.journal.dials().values()) == {1}


async def test_campaigns_share_a_stream(world: World) -> None:
    """A stream carries any number of campaigns: answers name theirs, and tokens are separate per campaign."""
    caller = world.stream()
    for campaign in ("north", "south", "west"):
        await caller.send(dial("same"), dial("other"), campaign=campaign)
    await caller.finish()
    answered: dict[int, str] = {}
    while (message := await caller.message()) is not None:
        answered |= {result.index: message.campaign_id for result in message.results}
    assert answered == {0: "north", 1: "north", 2: "south", 3: "south", 4: "west", 5: "west"}
    assert len(world.simulator.connect.journal.dials()) == 6


async def test_empty_lists_are_ignored(world: World) -> None:
    """An empty list is ignored at any position, even for an illegal campaign."""
    caller = world.stream()
    await caller.send()
    await caller.send(campaign="")
    results = await caller.ask(dial("a"))
    assert [(result.index, verdict(result)) for result in results] == [(0, "ACCEPTED")]
    assert await world.put() == []


async def test_a_stream_that_sends_nothing_ends_ok(world: World) -> None:
    """A stream that half-closes at once, or after an empty list, ends OK without an answer."""
    for lists in (0, 1):
        caller = world.stream()
        for _ in range(lists):
            await caller.send()
        await caller.finish()
        assert await caller.rest() == []
        assert await caller.status() is grpc.StatusCode.OK


async def test_a_stream_may_stay_open_in_silence(world: World) -> None:
    """An open stream that sends nothing affects no other stream, and can be used later."""
    silent = world.stream()
    assert verdicts(await world.ask(*dials(3))) == ["ACCEPTED"] * 3
    await silent.send(dial("late"))
    assert verdicts(await silent.read(1)) == ["ACCEPTED"]


async def test_put_answers_in_the_order_of_the_requests(world: World) -> None:
    """PutDialRequests answers in request order, including duplicates and bad items."""
    items = [*dials(30), dial("t-0"), dial("bad", phone_number="1"), dial("t-29"), dial("t-0")]
    results = await world.put(*items)
    assert [result.client_token for result in results] == [item.client_token for item in items]
    assert [result.index for result in results] == list(range(len(items)))
    assert [verdict(result) for result in results].index("REJECTED INVALID_REQUEST NEVER") == 31
    assert len({result.dial_request_id for result in results if result.client_token == "t-0"}) == 1
    assert set(world.simulator.connect.journal.dials().values()) == {1}


@pytest.mark.timed
async def test_put_answers_shortly_before_the_deadline(world: World) -> None:
    """Requests that are unsettled near the deadline are UNKNOWN if sent, and NOT_ACCEPTED if not."""
    world.hang()
    results = await world.put(*dials(225), timeout_s=5.0)
    assert [verdict(result) for result in results].count("UNKNOWN DEADLINE SAME_TOKEN") == 200
    assert [verdict(result) for result in results].count("NOT_ACCEPTED DEADLINE SAME_TOKEN") == 25
    assert len(world.calls()) == 8


async def test_the_python_client_gets_each_answer(world: World) -> None:
    """The asynchronous client and the gateway agree on every answer, on a stream and in a list."""
    async with DialGatewayClient(world.target, window=50, chunk=10) as client:
        results = [result async for result in client.dial(CAMPAIGN, map(client_dial, map(str, range(300))))]
        assert sorted(result.index for result in results) == list(range(300))
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        (listed,) = await client.put(CAMPAIGN, [client_dial("7")], timeout=5)
    assert (listed.accepted, listed.replayed) == (True, True)


async def test_the_synchronous_client_gets_each_answer(world: World) -> None:
    """The synchronous client, in a thread, gets every answer too."""

    def run() -> list[str]:
        with SyncDialGatewayClient(world.target) as client:
            return [result.outcome for result in client.dial(CAMPAIGN, map(client_dial, map(str, range(99))))]

    assert await asyncio.to_thread(run) == [Outcome.ACCEPTED] * 99
