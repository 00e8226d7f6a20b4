"""Rights to dial, see and operate campaigns, by certificate and policy, over real TLS."""

import asyncio
from ipaddress import ip_network
from pathlib import Path

import grpc
import grpc.aio
import pytest

from dialgateway import DialGatewayClient, DialResult, Outcome, SyncDialGatewayClient
from dialgateway.dialctl import main as dialctl
from dialgateway.dialctl.arguments import parse
from dialgateway.dialctl.campaign_arguments import CampaignArguments
from dialgateway.dialctl.campaign_commands import run_campaign_command
from dialgateway.dialctl.send import send as send_file
from dialgateway.dialctl.send_arguments import SendArguments
from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1 import dial_request_service_pb2 as dials_pb
from tests.files import put
from tests.integration.admin import scrape
from tests.integration.secured import BILLING, OPS, POLICY, SecureCaller, caller_of, secured
from tests.integration.world import PATIENCE_S, client_dial, dial, dials, stub_of, until, verdicts, world_of

MARKUP = "<script>alert('[*]')</script>"


async def refused(caller: SecureCaller, **options: object) -> tuple[grpc.StatusCode, str]:
    stream = caller.stream(**options)
    assert await stream.rest() == []
    return await stream.status(), await stream.call.details() or ""


async def operate(caller: SecureCaller, call: str, campaign: str) -> grpc.StatusCode:
    request = getattr(pb, f"{call}CampaignRequest")(campaign_id=campaign, reason="test")
    try:
        await getattr(caller.campaigns, f"{call}Campaign")(request, timeout=PATIENCE_S)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_a_caller_dials_only_its_campaigns(tmp_path: Path) -> None:
    """On one stream, items of foreign campaigns are refused, and those of its own campaigns dialed."""
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca, BILLING) as billing:
        stream = billing.stream()
        await stream.send(*dials(3, "own"), campaign="debt-1")
        await stream.send(*dials(2, "other"), campaign="surveys")
        await stream.send(*dials(1, "markup"), campaign=MARKUP)
        await stream.send(dial("empty"), campaign="")
        await stream.finish()
        results = await stream.rest()

        assert verdicts(results) == [
            *["ACCEPTED"] * 3,
            *["REJECTED ACCESS_DENIED NEVER"] * 3,
            "REJECTED INVALID_REQUEST NEVER",
        ]
        assert [result.index for result in sorted(results, key=lambda one: one.index)] == list(range(7))
        assert not world.calls("surveys")
        seen = await scrape(world.gateway.admin_port)
        name = "dial_gateway_access_refused_total"
        assert seen.value(name, caller=BILLING, refusal="campaign") == 3
        assert MARKUP not in seen.text
        assert "surveys" not in seen.text


async def test_callers_without_rights_are_refused(tmp_path: Path) -> None:
    async with (
        secured(tmp_path) as (world, folder),
        caller_of(world, folder.ca, "spiffe://example.org/ns/billing/sa/x/sa/dialer") as stranger,
        caller_of(world, folder.ca, OPS) as ops,
        caller_of(world, folder.ca, ip="127.0.0.1") as nameless,
    ):
        code, text = await refused(stranger)
        assert (code, "does not name" in text) == (grpc.StatusCode.PERMISSION_DENIED, True)
        code, text = await refused(ops)
        assert (code, "dial any campaign" in text) == (grpc.StatusCode.PERMISSION_DENIED, True)
        assert (await refused(nameless))[0] is grpc.StatusCode.UNAUTHENTICATED
        message = dials_pb.PutDialRequestsRequest(campaign_id="debt-1", dial_requests=dials(1))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub_of(ops.channel).PutDialRequests(message, timeout=PATIENCE_S)
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await nameless.campaigns.ListCampaigns(pb.ListCampaignsRequest(), timeout=PATIENCE_S)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert await operate(nameless, "Purge", "not in order") is grpc.StatusCode.UNAUTHENTICATED
        seen = await scrape(world.gateway.admin_port)
        name = "dial_gateway_access_refused_total"
        assert seen.value(name, caller=OPS, refusal="dialing") == 2
        assert seen.value(name, refusal="unknown_caller") == 1
        assert seen.value(name, caller="127.0.0.1", refusal="unauthenticated") == 3


async def test_mutual_tls_requires_a_certificate(tmp_path: Path) -> None:
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca) as nobody:
        assert (await refused(nobody))[0] is grpc.StatusCode.UNAVAILABLE


async def test_rights_to_operate_and_see_campaigns(tmp_path: Path) -> None:
    """Hold, release and purge each need their right; the identity is logged; foreign campaigns are hidden."""
    async with (
        secured(tmp_path) as (world, folder),
        caller_of(world, folder.ca, BILLING) as billing,
        caller_of(world, folder.ca, OPS) as ops,
    ):
        await billing.stream().ask(*dials(1), campaign="debt-1")
        assert await operate(ops, "Hold", MARKUP) is grpc.StatusCode.OK
        assert await operate(billing, "Hold", "debt-1") is grpc.StatusCode.PERMISSION_DENIED
        assert await operate(ops, "Purge", "debt-1") is grpc.StatusCode.PERMISSION_DENIED
        assert await operate(ops, "Hold", "debt-1") is grpc.StatusCode.OK
        assert await operate(ops, "Release", "debt-1") is grpc.StatusCode.OK

        all_ = await ops.campaigns.ListCampaigns(pb.ListCampaignsRequest(), timeout=PATIENCE_S)
        own = await billing.campaigns.ListCampaigns(pb.ListCampaignsRequest(), timeout=PATIENCE_S)
        assert [one.campaign_id for one in all_.campaigns] == [MARKUP, "debt-1"]
        assert all_.campaigns[0].hold.caller == all_.campaigns[1].last_action.caller == OPS
        assert [one.campaign_id for one in own.campaigns] == ["debt-1"]
        assert own.total_size == 1
        watch = billing.campaigns.WatchCampaigns(pb.WatchCampaignsRequest(), timeout=PATIENCE_S)
        first = await anext(aiter(watch))
        assert [one.campaign_id for one in first.campaigns] == ["debt-1"]
        watch.cancel()


async def test_a_changed_policy_applies_to_the_next_message_of_an_open_stream(tmp_path: Path) -> None:
    """A valid change is loaded; an invalid one is not, and is counted."""
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca, BILLING) as billing:
        stream = billing.stream()
        await stream.send(dial("before"), campaign="surveys")
        assert verdicts(await stream.read(1)) == ["REJECTED ACCESS_DENIED NEVER"]

        folder.change_policy(POLICY.replace("reminders", "surveys"))
        world.gateway.access.reread()
        await stream.send(dial("then"), campaign="surveys")
        assert verdicts(await stream.read(1)) == ["ACCEPTED"]

        folder.change_policy("version: 1\ncallers: [{identities: ['**'], dail: []}]\n")
        world.gateway.access.reread()
        await stream.send(dial("still"), campaign="surveys")
        assert verdicts(await stream.read(1)) == ["ACCEPTED"]
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_access_files_refused_total", file="policy") == 1

        folder.change_policy(POLICY.replace("ns/billing", "ns/others"))
        world.gateway.access.reread()
        await stream.send(dial("after"), campaign="surveys")
        await stream.finish()
        assert verdicts(await stream.rest()) == ["REJECTED ACCESS_DENIED NEVER"]


async def test_a_watch_follows_the_policy(tmp_path: Path) -> None:
    """A campaign that a caller may no longer see is removed from its watch, like a forgotten campaign."""
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca, BILLING) as billing:
        await billing.stream().ask(*dials(1), campaign="debt-1")
        request = pb.WatchCampaignsRequest()
        request.min_interval.FromMilliseconds(250)
        watch = aiter(billing.campaigns.WatchCampaigns(request, timeout=PATIENCE_S))
        assert [one.campaign_id for one in (await anext(watch)).campaigns] == ["debt-1"]
        folder.change_policy(POLICY.replace("debt-*", "credit-*"))
        world.gateway.access.reread()
        seen = await anext(watch)
        while not seen.gone_campaign_ids:
            seen = await anext(watch)
        assert list(seen.gone_campaign_ids) == ["debt-1"]


async def test_changed_files_are_noticed(tmp_path: Path) -> None:
    """A gateway notices a changed policy without a signal."""
    async with secured(tmp_path) as (world, folder):
        before = world.gateway.access.policy
        assert before is not None
        first = before.value
        folder.change_policy(POLICY.replace("reminders", "surveys"))
        await until(lambda: before.value is not first)


async def test_a_priority_beyond_the_grant_is_lowered(tmp_path: Path) -> None:
    """The request is accepted with the granted priority, and counted."""
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca, BILLING) as billing:
        stream = billing.stream()
        await stream.send(*dials(2), campaign="debt-1", priority=dials_pb.PRIORITY_HIGH)
        await stream.finish()
        assert verdicts(await stream.rest()) == ["ACCEPTED"] * 2
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_access_refused_total", caller=BILLING, refusal="priority") == 2


async def test_a_caller_has_the_window_of_the_policy(tmp_path: Path) -> None:
    """Two streams of one identity share the window in the policy, from whatever host."""
    policy = POLICY.replace("name: billing", "window: 10")
    async with (
        secured(tmp_path, policy) as (world, folder),
        caller_of(world, folder.ca, BILLING) as one,
        caller_of(world, folder.ca, BILLING) as other,
    ):
        world.hang(campaign="debt-1")
        streams = [one.stream(), other.stream()]
        for number, stream in enumerate(streams):
            await stream.send(*dials(20, f"s{number}"), campaign="debt-1")
        await until(lambda: world.gateway.engine.outstanding >= 10)
        message = dials_pb.PutDialRequestsRequest(campaign_id="debt-1", dial_requests=dials(1))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub_of(one.channel).PutDialRequests(message, timeout=PATIENCE_S)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert world.gateway.engine.outstanding == 10


FORGED = (("x-forwarded-client-cert", f"By=spiffe://x/y;Hash=00;URI={BILLING}"),)


async def test_a_forged_identity_of_an_untrusted_peer_is_ignored(tmp_path: Path) -> None:
    """A forged identity gives no right, takes none away, and is counted."""
    async with (
        secured(tmp_path, trusted_proxies=()) as (world, folder),
        caller_of(world, folder.ca, ip="127.0.0.1") as forger,
        caller_of(world, folder.ca, OPS) as ops,
    ):
        assert (await refused(forger, metadata=FORGED))[0] is grpc.StatusCode.UNAUTHENTICATED
        assert (await refused(ops, metadata=FORGED))[0] is grpc.StatusCode.PERMISSION_DENIED
        seen = await scrape(world.gateway.admin_port)
        name = "dial_gateway_access_refused_total"
        assert seen.value(name, caller="127.0.0.1", refusal="forged_identity") == 1
        assert seen.value(name, caller=OPS, refusal="forged_identity") == 1


async def test_the_identity_from_a_trusted_proxy_is_used(tmp_path: Path) -> None:
    """Behind a proxy the identity is that of the last element, and the limits are those of the identity."""
    policy = tmp_path / "policy.yaml"
    put(policy, POLICY)
    trusted = (ip_network("127.0.0.0/8"),)
    async with world_of(policy_file=str(policy), trusted_proxies=trusted, caller_streams=1) as world:
        proxied = SecureCaller(world.channel)
        first = proxied.stream(metadata=FORGED)
        await first.send(dial("a"), campaign="debt-1")
        assert verdicts(await first.read(1)) == ["ACCEPTED"]
        second = (("x-forwarded-client-cert", f'URI=spiffe://evil/x,Subject="CN=a,b;c";URI="{BILLING}2"'),)
        assert verdicts(await proxied.stream(metadata=second).ask(dial("b"), campaign="debt-1")) == [
            "ACCEPTED"
        ]
        assert (await refused(proxied, metadata=FORGED))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await refused(proxied))[0] is grpc.StatusCode.UNAUTHENTICATED
        broken = (("x-forwarded-client-cert", f'URI="{BILLING}'),)
        assert (await refused(proxied, metadata=broken))[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_the_clients_and_dialctl_present_their_certificates(tmp_path: Path) -> None:
    """Both clients and each command of dialctl are accepted, with the server name in the gateway's
    certificate.
    """
    policy = POLICY + '    hold: ["*"]\n    release: ["*"]\n    purge: ["*"]\n'
    async with secured(tmp_path, policy) as (world, folder):
        own = folder.ca.issue(spiffe=BILLING)
        certificate, key = own.write(tmp_path, "own")
        credentials = grpc.ssl_channel_credentials(folder.ca.pem, own.key_pem, own.pem)
        async with DialGatewayClient(
            world.target, credentials=credentials, server_name="localhost"
        ) as client:
            results = [result async for result in client.dial("debt-1", [client_dial("a")])]

        def synchronously() -> list[DialResult]:
            with SyncDialGatewayClient(world.target, credentials=credentials) as client:
                return list(client.dial("debt-1", [client_dial("b")]))

        results += await asyncio.to_thread(synchronously)
        assert [result.outcome for result in results] == [Outcome.ACCEPTED] * 2

        tls = ["--gateway", world.target, "--tls-ca", str(tmp_path / "ca.crt"), "--tls-name", "localhost"]
        tls += ["--tls-cert", str(certificate), "--tls-key", str(key)]
        leads = tmp_path / "leads.csv"
        leads.write_text("client_token,phone_number\nc,+12065550123\n")
        send = ["send", str(leads), "--campaign", "debt-1", "--expires-in", "1m", "--quiet"]
        for command in (
            send,
            ["hold", "debt-1", "--reason", "test"],
            ["purge", "debt-1", "--reason", "test", "--yes"],
            ["release", "debt-1"],
            ["campaigns"],
        ):
            arguments = parse([*command, *tls])
            if isinstance(arguments, CampaignArguments):
                assert await run_campaign_command(arguments) == 0
            else:
                assert isinstance(arguments, SendArguments)
                assert await send_file(arguments) == 0
        assert world.dialed("c", "debt-1") == 1
        plain = parse(["campaigns", "--gateway", world.target])
        assert isinstance(plain, CampaignArguments)
        assert await run_campaign_command(plain) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls-cert", "own.crt"], "--tls-cert and --tls-key go together"),
        (["--tls-ca", "nowhere.crt"], "--tls-ca: nowhere.crt: No such file"),
        (["--tls-ca", "leads.csv"], "--tls-ca: leads.csv: contains no PEM"),
    ],
)
def test_dialctl_names_a_file_that_cannot_be_used(
    options: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leads.csv").write_text("client_token,phone_number\n")
    for command in (["campaigns"], ["send", "leads.csv", "--campaign", "c", "--expires-in", "1m", "--quiet"]):
        assert dialctl([*command, *options]) == 2
        assert words in capsys.readouterr().err
