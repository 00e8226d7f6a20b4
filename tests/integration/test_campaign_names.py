"""Campaigns have names: callers use them, the policy and routes match them, and no dial depends on them."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from dialgateway.v1 import campaign_service_pb2 as pb_campaigns
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub
from gateway.simulator import Fault, FaultKind, NamedCampaign, SimulatorSettings
from tests.integration.world import World, WorldOptions, dials, until, verdicts, world_of

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
        await campaigns(world).HoldCampaign(pb_campaigns.HoldCampaignRequest(campaign_id=A))
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
    (tmp_path / "policy.yaml").write_text(text)
    settings: dict[str, Any] = {
        "policy_file": str(tmp_path / "policy.yaml"),
        "trusted_proxies": (ip_network("127.0.0.0/8"),),
    }
    async with world_of(options(), campaign_directory="connect", **settings) as world:
        await until(lambda: (entry := world.gateway.directory.get(B)) is not None and entry.tags is not None)
        as_billing = (("x-forwarded-client-cert", f"URI={BILLING}"),)
        (result,) = await world.stream(metadata=as_billing).ask(*dials(1), campaign=allowed)
        assert result.outcome == pb.OUTCOME_ACCEPTED
        (result,) = await world.stream(metadata=as_billing).ask(*dials(1), campaign=denied)
        assert (result.outcome, result.reason) == (pb.OUTCOME_REJECTED, pb.REASON_ACCESS_DENIED)
