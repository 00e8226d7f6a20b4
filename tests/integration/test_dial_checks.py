"""Dry runs: what the gateway would do with dial requests, by CheckDialRequests and `dialctl check`."""

import asyncio
import csv
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from dialgateway import (
    CallFailed,
    DialCheck,
    DialCheckVerdict,
    DialGatewayClient,
    DialRequest,
    HeldRequests,
    Reason,
    SyncDialGatewayClient,
)
from dialgateway.v1 import compliance_service_pb2 as pb
from dialgateway.v1.compliance_service_pb2_grpc import ComplianceServiceStub
from tests import preloaded
from tests.integration.secured import BILLING, POLICY, caller_of, secured
from tests.integration.test_guard import OTHER, daily, guarded, rules
from tests.integration.world import CAMPAIGN, PATIENCE_S, PHONE, World, dial, dials, verdict, world_of

HOUR_S = 3_600.0
SEND, WAIT = DialCheckVerdict.SEND, DialCheckVerdict.WAIT
NOT_ACCEPT, REJECT = DialCheckVerdict.NOT_ACCEPT, DialCheckVerdict.REJECT
OBSERVING = """
  - name: trial
    observe: true
    campaigns: ["*"]
    hours: always
    zone: {fixed: Etc/UTC}
    numbers: e164
    lists: [dnc]
"""


def request(token: str, phone: str = PHONE, expires_in: float = 120.0) -> DialRequest:
    return DialRequest(token, phone, datetime.now(UTC) + timedelta(seconds=expires_in))


async def check(world: World, *requests: DialRequest, campaign: str = CAMPAIGN) -> list[DialCheck]:
    async with DialGatewayClient(world.target) as client:
        return list((await client.check_dial_requests(campaign, requests)).checks)


def brief(checks: list[DialCheck]) -> list[tuple[DialCheckVerdict, Reason]]:
    return [(one.verdict, one.reason) for one in checks]


async def test_fields_and_rules_are_checked_and_nothing_is_sent(tmp_path: Path) -> None:
    """What the check says is what happens when the same requests are sent."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
    async with world_of(**settings) as world:
        checks = await check(
            world,
            request("good"),
            request("listed", OTHER),
            request("bad", "12065550123"),
            request("late", expires_in=-10),
            request("close", expires_in=3),
        )
        assert brief(checks) == [
            (SEND, Reason.UNSPECIFIED),
            (REJECT, Reason.SUPPRESSED),
            (REJECT, Reason.INVALID_REQUEST),
            (REJECT, Reason.INVALID_REQUEST),
            (NOT_ACCEPT, Reason.EXPIRATION_PASSED),
        ]
        assert [one.index for one in checks] == list(range(5))
        assert checks[1].rule == "day"
        assert "phone_number is in dnc" in checks[1].detail
        assert world.gateway.engine.outstanding == 0
        assert not world.calls()
        results = await world.ask(
            dial("good"),
            dial("listed", phone_number=OTHER),
            dial("bad", phone_number="12065550123"),
            dial("late", expires_in=-10),
            dial("close", expires_in=3),
        )
        assert [verdict(one).split()[0] for one in results] == [
            *["ACCEPTED", "REJECTED", "REJECTED", "REJECTED", "EXPIRED"]
        ]
        assert [one.detail for one in results[1:4]] == [one.detail for one in checks[1:4]]


async def test_hours_are_told_as_instants(tmp_path: Path) -> None:
    """A check returns when hours open, even after the expiration, and when they close."""
    now = time.time()
    opening, closing = (now // 60 + 120) * 60, (now // 60 + 180) * 60
    async with world_of(**guarded(tmp_path, rules(daily(opening, closing)))) as world:
        waits, cannot = await check(world, request("a", expires_in=24 * HOUR_S), request("b"))
        assert brief([waits, cannot]) == [
            (WAIT, Reason.OUTSIDE_CALLING_HOURS),
            (NOT_ACCEPT, Reason.OUTSIDE_CALLING_HOURS),
        ]
        assert waits.not_before == cannot.not_before == datetime.fromtimestamp(opening, UTC)
        assert waits.would_be_sent
        assert not cannot.would_be_sent
    closing = (now // 60 + 60) * 60
    async with world_of(**guarded(tmp_path, rules(daily(now - HOUR_S, closing)))) as world:
        (open_now,) = await check(world, request("c", expires_in=24 * HOUR_S))
        assert brief([open_now]) == [(SEND, Reason.UNSPECIFIED)]
        assert open_now.allowed_until == datetime.fromtimestamp(closing, UTC)


async def test_rules_that_observe_and_live_suppressions_are_told(tmp_path: Path) -> None:
    """What observing rules would do is told beside the verdict, which a suppression changes."""
    text = (
        rules("always").split("rules:")[0]
        + "rules:"
        + OBSERVING
        + ('  - {name: day, campaigns: ["*"], hours: always, zone: {fixed: Etc/UTC}, numbers: e164}\n')
    )
    async with (
        world_of(**guarded(tmp_path, text, listed=f"{OTHER}\n")) as world,
        DialGatewayClient(world.target) as client,
    ):
        found = await client.check_dial_requests(CAMPAIGN, [request("a"), request("b", OTHER)])
        plain, observed = found.checks
        assert found.guard_version
        assert plain.observed == ()
        assert observed.verdict is SEND
        (rule,) = observed.observed
        assert (rule.rule, rule.verdict, rule.reason) == ("trial", REJECT, Reason.SUPPRESSED)
        await client.suppress_number(PHONE, "asked for it")
        (suppressed,) = await check(world, request("a"))
        assert (suppressed.verdict, suppressed.reason, suppressed.rule) == (REJECT, Reason.SUPPRESSED, "live")


async def test_holds_and_the_policy_count(tmp_path: Path) -> None:
    """A held campaign waits; a foreign one is refused as its requests would be."""
    async with secured(tmp_path, policy=POLICY) as (world, folder):
        async with caller_of(world, folder.ca, BILLING) as billing:
            client = DialGatewayClient(world.target, channel=billing.channel)
            found = [
                (await client.check_dial_requests(campaign, [request("t")])).checks[0]
                for campaign in ("reminders", "surveys", "")
            ]
            assert brief(found) == [
                (SEND, Reason.UNSPECIFIED),
                (REJECT, Reason.ACCESS_DENIED),
                (REJECT, Reason.INVALID_REQUEST),
            ]
            assert "campaign_id" in found[2].detail
        async with caller_of(world, folder.ca, "spiffe://example.org/ns/ops/sa/console") as ops:
            client = DialGatewayClient(world.target, channel=ops.channel)
            with pytest.raises(CallFailed, match="DIALING_DENIED"):
                await client.check_dial_requests("reminders", [request("t")])
            await client.hold_campaign("reminders", "test")
            await client.hold_campaign("debt-1", "test", held_requests=HeldRequests.ANSWER)
        async with caller_of(world, folder.ca, BILLING) as billing:
            client = DialGatewayClient(world.target, channel=billing.channel)
            (held,) = (await client.check_dial_requests("reminders", [request("t")])).checks
            assert (held.verdict, held.reason) == (WAIT, Reason.HELD)
            (answered,) = (await client.check_dial_requests("debt-1", [request("t")])).checks
            assert (answered.verdict, answered.reason) == (NOT_ACCEPT, Reason.HELD)


async def test_a_list_is_bounded_and_the_client_divides_it() -> None:
    """One call takes 1,000 dial requests; the client checks any number, in their order."""
    async with world_of() as world:
        stub: Any = ComplianceServiceStub(world.channel)
        message = pb.CheckDialRequestsRequest(campaign_id=CAMPAIGN, dial_requests=dials(1_001))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.CheckDialRequests(message, timeout=PATIENCE_S)
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with SyncDialGatewayClient(world.target) as client:
            listed = [request(f"t-{number}") for number in range(2_500)]
            found = await asyncio.to_thread(client.check_dial_requests, CAMPAIGN, listed)
        assert [(one.client_token, one.index) for one in found.checks] == [
            (one.client_token, number) for number, one in enumerate(listed)
        ]
        assert found.guard_version == ""
        assert not world.gateway.engine.outstanding


# --- dialctl -----------------------------------------------------------------------------------------


async def dialctl(
    folder: Path, text: str, *arguments: str, target: str | None = None
) -> tuple[int | None, str, str]:
    """Run `dialctl check` on a list; return its exit code and both outputs."""
    (folder / "leads.csv").write_text(text)
    environment = {name: value for name, value in os.environ.items() if name != "DIAL_GATEWAY_TARGET"}
    process = await preloaded.start(
        "dialgateway.dialctl",
        *("check", "leads.csv", "--campaign", CAMPAIGN, "--expires-in", "10m", *arguments),
        cwd=folder,
        env=environment if target is None else {**environment, "DIAL_GATEWAY_TARGET": target},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert b"Traceback" not in err
    assert PHONE not in out.decode() + err.decode()
    return process.returncode, out.decode(), err.decode()


LEADS = f"client_token,phone_number\ngood,{PHONE}\nlisted,{OTHER}\nbad,12\n"


async def test_dialctl_check_reports_each_lead(tmp_path: Path) -> None:
    """File, number and rules are reported, and nothing is sent."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
    async with world_of(**settings) as world:
        code, out, err = await dialctl(tmp_path, LEADS, target=world.target)
        assert code == 1
        assert "1 lead would be sent" in out
        assert "1  SUPPRESSED (rule day)" in out
        assert "of the gateway's guard file" in out
        assert "2 would not be sent; see leads.problems.csv" in out
        assert not err
        with (tmp_path / "leads.problems.csv").open(newline="") as file:
            problems = {row["client_token"]: row["problem"] for row in csv.DictReader(file)}
        assert problems["listed"] == "REJECT SUPPRESSED: rule day: lists: phone_number is in dnc"
        code, out, _ = await dialctl(tmp_path, LEADS, "-o", "json", "--gateway", world.target)
        *leads, last = map(json.loads, out.splitlines())
        assert {lead["client_token"]: lead["verdict"] for lead in leads} == {
            "good": "SEND",
            "listed": "REJECT",
            "bad": "INVALID_ROW",
        }
        assert last["summary"]["would_be_sent"] == 1
        assert last["summary"]["refusals"] == {"SUPPRESSED (rule day)": 1}
        code, out, _ = await dialctl(tmp_path, LEADS, "-o", "wide", "--gateway", world.target)
        assert "line 2: good SEND" in out
        assert "line 3: listed REJECT SUPPRESSED (rule day)" in out
        code, out, _ = await dialctl(tmp_path, LEADS.split("listed")[0], target=world.target)
        assert code == 0
        assert not world.calls()


async def test_dialctl_check_says_when_no_gateway_was_asked(tmp_path: Path) -> None:
    """A named gateway must answer; without a named one the list alone is checked, which is said."""
    good = LEADS.split("listed")[0]
    nowhere = "127.0.0.1:1"
    code, out, err = await dialctl(tmp_path, good, target=nowhere)
    assert (code, "NOT checked" in err) == (0, True)
    assert "1 lead would be sent" in out
    code, _, err = await dialctl(tmp_path, good, "--gateway", nowhere)
    assert (code, f"cannot reach the gateway at {nowhere}" in err) == (3, True)
    code, _, err = await dialctl(tmp_path, good, "--offline", target=nowhere)
    assert (code, err) == (0, "")
    code, _, err = await dialctl(tmp_path, good, "--offline", "--gateway", nowhere)
    assert code == 2
