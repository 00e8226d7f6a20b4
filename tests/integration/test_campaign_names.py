"""Campaigns have names: callers use them, the policy and routes match them, and no dial depends on them."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from grpc import StatusCode

from dialgateway import ActionKind, CallFailed, CampaignState
from dialgateway import DialGatewayClient as Client
from dialgateway.v1 import campaign_service_pb2 as pb_campaigns
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub
from gateway.simulator import Fault, FaultKind, NamedCampaign, SimulatorSettings
from tests.files import put
from tests.integration.admin import scrape
from tests.integration.test_dialctl_campaigns import dialctl
from tests.integration.world import PATIENCE_S, World, WorldOptions, dials, until, verdicts, world_of

if TYPE_CHECKING:
    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub

A, B, C = (f"{digit * 8}-6a4e-4f0e-9d57-1c2f9a2b7e10" for digit in "abc")
CAMPAIGNS = (
    NamedCampaign(A, "payment-reminders", {"team": "billing"}),
    NamedCampaign(B, "surveys", {"team": "research"}),
    NamedCampaign(C, "surveys", {"team": "sales"}, "v2"),
)


def options(*campaigns: NamedCampaign) -> WorldOptions:
    return WorldOptions(simulator=SimulatorSettings(call_rate=0, campaigns=campaigns or CAMPAIGNS))


BILLING = "spiffe://example.org/billing"
DENIED = Fault(kind=FaultKind.EXCEPTION, code="AccessDeniedException", operation="ListCampaigns")


def campaigns(world: World) -> "CampaignServiceAsyncStub":
    return cast("CampaignServiceAsyncStub", CampaignServiceStub(world.channel))


async def with_tags(world: World) -> None:
    """Wait until the tags are known."""
    await until(lambda: (entry := world.gateway.directory.get(B)) is not None and entry.tags is not None)


def client_of(world: World) -> Client:
    return Client(world.target)


async def read(world: World) -> None:
    """Wait until the names are known."""
    await until(lambda: world.gateway.directory.known)


def read_failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "could not be read" in record.message]


async def test_a_campaign_by_its_name() -> None:
    """A request may name its campaign. The answer carries what was sent; Connect gets the id."""
    async with world_of(options(), campaign_directory="connect") as world:
        await read(world)
        stream = world.stream()
        await stream.send(*dials(2), campaign="name:payment-reminders")
        await stream.send(*dials(1, "by-id"), campaign=A)
        await stream.finish()
        answers: list[tuple[str, str]] = []
        while (message := await stream.message()) is not None:
            answers += [(message.campaign_id, one.client_token) for one in message.results]
        assert sorted(answers) == [
            (A, "by-id-0"),
            ("name:payment-reminders", "t-0"),
            ("name:payment-reminders", "t-1"),
        ]
        assert {call.campaign for call in world.calls()} == {A}
        results = await world.put(*dials(1, "unary"), campaign="name:payment-reminders")
        assert verdicts(results) == ["ACCEPTED"]


async def test_names_that_mean_no_single_campaign() -> None:
    """A shared and an unknown name are refused with candidates; nothing is sent."""
    routes = (("nothing", "v2"),)
    async with world_of(options(), campaign_directory="connect", connect_api_by_campaign=routes) as world:
        await read(world)
        shared = await world.ask(*dials(1), campaign="name:surveys")
        unknown = await world.ask(*dials(1), campaign="name:payment-reminder")
        assert [(one.outcome, one.reason) for one in (*shared, *unknown)] == [
            (pb.OUTCOME_REJECTED, pb.REASON_CAMPAIGN_NOT_FOUND)
        ] * 2
        assert shared[0].detail == (
            f"campaign_id: several campaigns have this name; use the id: surveys ({B}), surveys ({C})"
        )
        assert f"payment-reminders ({A})" in unknown[0].detail
        assert world.calls() == []


async def test_names_without_a_directory() -> None:
    """Without a directory a name is refused with the setting that is missing."""
    async with world_of(options()) as world:
        (result,) = await world.ask(*dials(1), campaign="name:surveys")
    assert (result.outcome, result.reason) == (pb.OUTCOME_REJECTED, pb.REASON_INVALID_REQUEST)
    assert "DIAL_GATEWAY_CAMPAIGN_DIRECTORY" in result.detail


async def test_a_directory_that_cannot_be_read_affects_no_dial_by_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without the right to list campaigns, ids are dialed, and names may be sent again. One line says why."""
    chosen = replace(options(), faults=[DENIED])
    async with world_of(chosen, campaign_directory="connect") as world:
        await until(lambda: read_failures(caplog))
        assert verdicts(await world.ask(*dials(3), campaign=A)) == ["ACCEPTED"] * 3
        (named,) = await world.ask(*dials(1, "named"), campaign="name:payment-reminders")
        assert (named.outcome, named.reason) == (pb.OUTCOME_NOT_ACCEPTED, pb.REASON_CAMPAIGN_NOT_FOUND)
        assert named.retry_advice == pb.RETRY_ADVICE_SAME_TOKEN
        seen = await scrape(world.gateway.admin_port)
        name = "dial_gateway_campaign_directory_failures_total"
        assert seen.value(name, operation="ListCampaigns", error="AccessDenied") == 1
        assert "dial_gateway_campaign_directory_age_seconds" not in seen.text
    (line,) = read_failures(caplog)
    assert "connect-campaigns:ListCampaigns" in line


async def test_notices_carry_the_name_that_was_sent() -> None:
    """A stream that names its campaign learns of a hold by that name."""
    async with world_of(options(), campaign_directory="connect") as world:
        await read(world)
        world.hang(campaign=A)
        stream = world.stream()
        await stream.send(*dials(1), campaign="name:payment-reminders")
        await until(lambda: world.calls(A))
        await campaigns(world).HoldCampaign(pb_campaigns.HoldCampaignRequest(campaign_id=A, reason="test"))
        message = await stream.message()
        assert message is not None
        assert (message.campaign_id, message.notice.kind) == (
            "name:payment-reminders",
            pb.NOTICE_KIND_CAMPAIGN_HELD,
        )


@pytest.mark.parametrize(
    ("pattern", "allowed", "denied"),
    [("name:payment-*", A, B), ("tag:team=research", B, A)],
)
async def test_a_policy_by_name_or_tag(tmp_path: Path, pattern: str, allowed: str, denied: str) -> None:
    """A grant by name or tag holds for the campaigns that have it, whether they are given by id or name."""
    text = f"version: 1\ncallers: [{{identities: ['{BILLING}'], dial: [{{campaigns: ['{pattern}']}}]}}]"
    put(tmp_path / "policy.yaml", text)
    settings: dict[str, Any] = {
        "policy_file": str(tmp_path / "policy.yaml"),
        "trusted_proxies": (ip_network("127.0.0.0/8"),),
    }
    async with world_of(options(), campaign_directory="connect", **settings) as world:
        await with_tags(world)
        as_billing = (("x-forwarded-client-cert", f"URI={BILLING}"),)
        (result,) = await world.stream(metadata=as_billing).ask(*dials(1), campaign=allowed)
        assert result.outcome == pb.OUTCOME_ACCEPTED
        (result,) = await world.stream(metadata=as_billing).ask(*dials(1), campaign=denied)
        assert (result.outcome, result.reason) == (pb.OUTCOME_REJECTED, pb.REASON_ACCESS_DENIED)


async def test_operators_use_names_and_see_them() -> None:
    """A hold by name holds the campaign with that name. Listings and answers show its name and tags."""
    async with world_of(options(), campaign_directory="connect") as world, client_of(world) as client:
        await with_tags(world)
        done = await client.act_on_campaign(
            ActionKind.HOLD, "name:payment-reminders", "test", known_only=True
        )
        assert (done.campaign.campaign_id, done.campaign.name) == (A, "payment-reminders")
        (listed,) = await client.list_campaigns()
        assert (listed.name, listed.tags, listed.state) == (
            "payment-reminders",
            {"team": "billing"},
            CampaignState.HELD,
        )
        assert (await client.release_campaign("name:payment-reminders")).campaign_id == A
        assert await client.purge_campaign("name:payment-reminders", "test") == 0
        await world.ask(*dials(1), campaign=A)
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_campaign_info", campaign=A, name="payment-reminders") == 1
        assert seen.value("dial_gateway_campaign_directory_campaigns") == 2
        assert 0 <= seen.value("dial_gateway_campaign_directory_age_seconds") < PATIENCE_S


async def test_names_that_operators_cannot_use() -> None:
    """A shared name is refused with its campaigns, an unknown one with similar ones."""
    both = options(CAMPAIGNS[1], replace(CAMPAIGNS[2], api="v1"))
    async with world_of(both, campaign_directory="connect") as world, client_of(world) as client:
        await read(world)
        with pytest.raises(CallFailed) as shared:
            await client.hold_campaign("name:surveys", "test")
        assert shared.value.code is StatusCode.FAILED_PRECONDITION
        assert B in str(shared.value)
        assert C in str(shared.value)
        with pytest.raises(CallFailed) as unknown:
            await client.hold_campaign("name:surveyz", "test")
        assert unknown.value.code is StatusCode.NOT_FOUND
        assert "surveys" in str(unknown.value)
        assert await client.list_campaigns() == []


async def test_campaigns_are_found_by_pattern_name_and_tag() -> None:
    """A choice finds listed campaigns, and those of the directory without dial requests."""
    choices = {
        "name:pay*": [A],
        "name:surveys": [B],
        "tag:team=*": [A, B],
        "a*": [A, "active"],
        "active": ["active"],
        B: [B],
        "nosuch": [],
        "*": [A, "active", B],
    }
    async with world_of(options(*CAMPAIGNS[:2]), campaign_directory="connect") as world:
        await with_tags(world)
        await world.ask(*dials(1), campaign="active")
        async with client_of(world) as client:
            for campaign, found in choices.items():
                assert list((await client.see_campaigns(campaign)).campaigns) == found, campaign
            assert list((await client.see_campaigns()).campaigns) == ["active"]
            with pytest.raises(CallFailed, match=r"campaign: must be tag:KEY=VALUE"):
                await client.see_campaigns("tag:team")


async def test_a_watch_tells_that_a_name_has_changed(tmp_path: Path) -> None:
    """A campaign with another name counts as changed, although nothing else of it has."""
    file, text = tmp_path / "campaigns.yaml", "version: 1\ncampaigns: [{{id: {}, name: {}}}]"
    put(file, text.format(A, "payments"))
    async with (
        world_of(options(), campaign_directory=str(file)) as world,
        client_of(world) as client,
        asyncio.timeout(PATIENCE_S),
    ):
        await client.hold_campaign(A, "test")
        watch = client.watch_campaigns(0.25)
        assert (await anext(watch)).campaigns[A].name == "payments"
        put(file, text.format(A, "reminders"))
        seen = await anext(watch)
        while seen.campaigns[A].name != "reminders":
            seen = await anext(watch)
        assert A in seen.changed
        await watch.aclose()


async def test_dialctl_uses_names() -> None:
    """dialctl holds by name and tag, and its table has a column with names."""
    async with world_of(options(*CAMPAIGNS[:2]), campaign_directory="connect") as world:
        await with_tags(world)
        code, out, _ = await dialctl(world, "hold", "name:payment-reminders", "--reason", "test")
        assert (code, out.startswith(f"{A} (payment-reminders): held")) == (0, True)
        code, out, err = await dialctl(world, "hold", "tag:team=research", "--reason", "test", "--yes")
        assert (code, f"{B} (surveys): flowing" in err, f"{B} (surveys): held" in out) == (0, True, True)
        code, out, _ = await dialctl(world, "campaigns", "name:pay*")
        assert out.splitlines()[0].split()[:3] == ["CAMPAIGN", "NAME", "STATE"]
        assert out.splitlines()[1].split()[:3] == [A, "payment-reminders", "held"]
        assert len(out.splitlines()) == 2
        code, _, err = await dialctl(world, "hold", "name:survey", "--reason", "test")
        assert (code, f"surveys ({B})" in err) == (1, True)
