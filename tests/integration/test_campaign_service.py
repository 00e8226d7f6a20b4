"""CampaignService over real sockets: listing and watching campaigns, and checks of what is asked."""

import asyncio
import base64
import time
from typing import TYPE_CHECKING, NoReturn, cast

import grpc
import pytest

import dialgateway
from dialgateway import CampaignState, DialGatewayClient, Outcome, Reason
from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub
from gateway import simulator
from gateway.control.snapshots import StatusSnapshots
from tests.integration.process import serving
from tests.integration.world import CAMPAIGN, PATIENCE_S, World, dial, dials, until

if TYPE_CHECKING:
    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub
from tests.integration.campaigns import one, queued, servicer_of, stub_of

MARKUP = "<img/src=x/onerror=alert(1)>\x1b[2J"


@pytest.mark.timed
async def test_a_campaign_is_listed_with_its_outcomes(world: World, client: DialGatewayClient) -> None:
    """The listing counts answers by outcome, and has the recent rate."""
    await world.ask(*dials(30), dial("bad", phone_number="1"))
    campaign = await one(client)
    assert campaign.state is CampaignState.FLOWING
    assert (campaign.queued, campaign.in_flight) == (0, 0)
    assert campaign.outcomes == {**dict.fromkeys(Outcome, 0), Outcome.ACCEPTED: 30, Outcome.REJECTED: 1}
    assert 0.5 < campaign.accepted_per_second <= 3.0
    assert campaign.hold is None


async def test_a_parked_campaign_is_listed_with_its_reason(world: World, client: DialGatewayClient) -> None:
    """A campaign that is paused at Connect is PARKED, with its reason and its longest wait."""
    world.simulator.connect.campaigns.set_state(CAMPAIGN, simulator.CampaignState.PAUSED)
    await world.stream().send(dial("a"))
    await until(lambda: world.calls())
    async with asyncio.timeout(PATIENCE_S):
        while (campaign := await one(client)).state is not CampaignState.PARKED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert campaign.reason is Reason.CAMPAIGN_NOT_RUNNING
    assert "Paused" in campaign.detail
    assert campaign.since is not None
    assert campaign.queued == 1


async def test_the_listing_comes_in_pages(world: World, client: DialGatewayClient) -> None:
    """Pages have the requested size, end with an empty token, and can be filtered by state."""
    stub = stub_of(world)
    for number in range(7):
        await client.hold_campaign(f"c{number}", "test")
    await world.ask(dial("a"))
    request = pb.ListCampaignsRequest(page_size=3, states=[pb.CAMPAIGN_STATE_HELD])
    names, sizes = [], []
    while True:
        page = await stub.ListCampaigns(request)
        names += [campaign.campaign_id for campaign in page.campaigns]
        sizes.append(len(page.campaigns))
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert (names, sizes, page.total_size) == ([f"c{number}" for number in range(7)], [3, 3, 1], 7)
    assert len(await client.list_campaigns()) == 8


@pytest.mark.timed
async def test_a_watch_sends_all_campaigns_and_then_changes(world: World, client: DialGatewayClient) -> None:
    """A watch begins with all campaigns, sends a hold within its interval, and nothing without a change."""
    await client.hold_campaign("first", "test")
    watch = client.watch_campaigns(0.25)
    async with asyncio.timeout(PATIENCE_S):
        seen = await anext(watch)
        assert {name: each.state for name, each in seen.campaigns.items()} == {"first": CampaignState.HELD}
        await client.hold_campaign("second", "why not")
        seen = await anext(watch)
    assert seen.changed == {"second"}
    assert seen.campaigns["second"].hold is not None
    assert seen.campaigns["second"].hold.reason == "why not"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.8):
            await anext(watch)
    await watch.aclose()


async def test_a_watch_of_an_idle_gateway_begins_with_an_empty_state(client: DialGatewayClient) -> None:
    """Without campaigns, a watch begins with an empty state at once."""
    watch = client.watch_campaigns()
    async with asyncio.timeout(PATIENCE_S):
        assert (await anext(watch)).campaigns == {}
    await watch.aclose()


async def test_watches_are_bounded_per_caller(world: World) -> None:
    """Beyond its limit of watches a caller is refused; a watch that ends makes room and leaves no state."""
    request, watches = pb.WatchCampaignsRequest(), []
    async with servicer_of(world, caller_watchers=2) as (servicer, stub):
        for _ in range(2):
            watches.append(stub.WatchCampaigns(request, timeout=PATIENCE_S))
            await anext(aiter(watches[-1]))
        over = stub.WatchCampaigns(request, timeout=PATIENCE_S)
        assert await over.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "of one caller" in await over.details()
        watches[0].cancel()
        await until(lambda: servicer._watchers.total() < 2)
        watches[0] = stub.WatchCampaigns(request, timeout=PATIENCE_S)
        await anext(aiter(watches[0]))
        for watch in watches:
            watch.cancel()
        await until(lambda: not servicer._watchers)


async def test_watches_are_bounded_in_all(world: World) -> None:
    """The limit over all callers applies before that of one."""
    async with servicer_of(world, watchers=0) as (_, stub):
        over = stub.WatchCampaigns(pb.WatchCampaignsRequest(), timeout=PATIENCE_S)
        assert await over.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await over.details() == "the limit of 0 watches is reached"


async def test_a_watch_ends_when_the_replica_leaves() -> None:
    """Watches end with UNAVAILABLE when the gateway shuts down, and do not delay it."""
    async with serving("--simulator-rate", "0") as served:
        stub = cast("CampaignServiceAsyncStub", CampaignServiceStub(served.channel))  # type: ignore[arg-type]
        watch = stub.WatchCampaigns(pb.WatchCampaignsRequest())
        await watch.read()
        served.terminate()
        async with asyncio.timeout(PATIENCE_S):
            assert await watch.code() is grpc.StatusCode.UNAVAILABLE
        assert await served.exit_code() == 0


@pytest.mark.parametrize(
    ("campaign_id", "reason", "field"),
    [
        ("", "", "campaign_id"),
        ("..", "", "campaign_id"),
        ("a b", "", "campaign_id"),
        ("c" * 257, "", "campaign_id"),
        (CAMPAIGN, "r" * 501, "reason"),
        (CAMPAIGN, "two\nlines", "reason"),
        (CAMPAIGN, "\x1b[31mred", "reason"),
        (CAMPAIGN, "turned\u202eround", "reason"),
    ],
)
async def test_bad_input_is_named(
    client: DialGatewayClient, campaign_id: str, reason: str, field: str
) -> None:
    """A field that breaks a rule is INVALID_ARGUMENT by name, for each call; nothing is done."""
    for call in (client.hold_campaign, client.release_campaign, client.purge_campaign):
        with pytest.raises(dialgateway.CallFailed, match=f"{field}:") as refused:
            await call(campaign_id, reason)
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert await client.list_campaigns() == []


async def test_requests_to_list_and_watch_are_validated(world: World) -> None:
    """Negative sizes, foreign tokens, unknown states and intervals out of bounds are INVALID_ARGUMENT."""
    stub = stub_of(world)
    unknown = pb.ListCampaignsRequest()
    unknown.ParseFromString(b"\x1a\x01\x63")  # states: [99]
    for request in (
        pb.ListCampaignsRequest(page_size=-1),
        pb.ListCampaignsRequest(page_token="nonsense"),
        pb.ListCampaignsRequest(page_token="W10="),
        pb.ListCampaignsRequest(page_token=base64.b64encode(b"[" * 100_000).decode()),
        unknown,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListCampaigns(request)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    for nanos in (-1, 1_000_000):
        watch = pb.WatchCampaignsRequest()
        watch.min_interval.nanos = nanos
        assert await stub.WatchCampaigns(watch).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_bug_is_told_without_what_it_says(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the caller nor the log gets the text of an exception: it may contain personal data."""

    def broken(rows: object) -> NoReturn:
        raise RuntimeError("+12065550123")

    async with servicer_of(world, StatusSnapshots(broken, time.monotonic)) as (_, stub):
        watch = stub.WatchCampaigns(pb.WatchCampaignsRequest())
        assert await watch.code() is grpc.StatusCode.INTERNAL
        with pytest.raises(grpc.aio.AioRpcError) as listed:
            await stub.ListCampaigns(pb.ListCampaignsRequest())
        assert listed.value.code() is grpc.StatusCode.INTERNAL
        assert "+1206" not in f"{await watch.details()}{listed.value.details()}{caplog.text}"
    assert caplog.text.count("met a bug") == 2


async def test_markup_in_a_campaign_id_is_listed_unchanged(world: World, client: DialGatewayClient) -> None:
    """A campaign id with markup and control characters is listed unchanged; displays must escape it."""
    await client.hold_campaign(MARKUP, "test")
    await world.stream().send(dial("a"), campaign=MARKUP)
    await queued(client, 1)
    assert [campaign.campaign_id for campaign in await client.list_campaigns()] == [MARKUP]


async def test_the_synchronous_client(world: World) -> None:
    """The synchronous client offers the same operations."""

    def operate() -> list[object]:
        with dialgateway.SyncDialGatewayClient(world.target) as client:
            held = client.hold_campaign(CAMPAIGN, "why")
            watch = client.watch_campaigns()
            seen = next(watch)
            watch.close()
            purged = client.purge_campaign(CAMPAIGN, "test")
            released = client.release_campaign(CAMPAIGN)
            listed = client.list_campaigns()
        return [held.state, list(seen.campaigns), purged, released.state, listed[0].campaign_id]

    told = await asyncio.to_thread(operate)
    assert told == [CampaignState.HELD, [CAMPAIGN], 0, CampaignState.FLOWING, CAMPAIGN]
