"""Requests of all channels are treated alike: calls, quota, ledger, holds, traces and answers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from dialgateway.v1 import campaign_service_pb2 as pb_campaigns
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.simulator import FaultKind
from tests.files import put
from tests.integration.admin import get
from tests.integration.campaigns import stub_of
from tests.integration.world import CAMPAIGN, PHONE, World, dial, until, verdict, verdicts, world_of

ARN = "arn:aws:connect:us-east-1:111122223333:instance/i/phone-number/p"
ADDRESS = "kobalt@example.com"
DETECTION = pb.AnswerMachineDetection(enabled=True, await_prompt=True)
CHANNELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "telephony": {
        "telephony": pb.Telephony(
            source_phone_number="+12065550199",
            ring_timeout=Duration(seconds=30),
            answer_machine_detection=DETECTION,
        )
    },
    "sms": {"sms": pb.Sms(source_phone_number_arn=ARN, template_arn=ARN)},
    "email": {"email": pb.Email(destination_address=ADDRESS, source_address="news@example.com")},
    "whatsApp": {"whats_app": pb.WhatsApp(template_arn=ARN)},
}
JOURNALED = {name: name for name in ("sms", "email", "whatsApp")}


def contact(token: str, **changes: Any) -> pb.DialRequest:
    """Make a dial request whose token is the name of its channel."""
    request = dial(token, phone_number="" if token == "email" else PHONE)
    request.MergeFrom(pb.DialRequest(**CHANNELS[token]))
    request.attributes["name"] = "Ada"
    request.MergeFrom(pb.DialRequest(**changes))
    return request


def contacts() -> list[pb.DialRequest]:
    """Make a dial request of each channel."""
    return [contact(name) for name in CHANNELS]


async def test_all_channels_share_a_call() -> None:
    """Requests of all channels go in one call of V2, with a span each, and are answered alike."""
    async with world_of(connect_api="v2") as world:
        results = await world.ask(*contacts())
        assert verdicts(results) == ["ACCEPTED"] * len(CHANNELS)
        assert {result.attempts for result in results} == {1}
        (call,) = world.calls()
        assert (call.operation, call.items) == ("PutOutboundRequestBatch", len(CHANNELS))
        assert call.channels == JOURNALED
        assert world.simulator.connect.stats().illegal_calls == 0
        (span,) = world.spans("PutOutboundRequestBatch")
        assert len(span.links) == len(CHANNELS)


async def test_tokens_of_all_channels_are_replayed_and_compared() -> None:
    """A token that was accepted is answered again without a call; with another field it is a conflict."""
    async with world_of(connect_api="v2") as world:
        first = await world.ask(*contacts())
        again = await world.ask(*contacts())
        assert [result.dial_request_id for result in again] == [result.dial_request_id for result in first]
        assert all(result.replayed for result in again)
        others = [
            contact("plain", sms=pb.Sms()),
            contact("telephony", telephony=pb.Telephony(ring_timeout=Duration(seconds=31))),
            contact("sms", sms=pb.Sms(template_arn=f"{ARN}2")),
            contact("email", email=pb.Email(destination_address="grey@example.com")),
            contact("whatsApp", sms=pb.Sms(template_arn=ARN)),
        ]
        results = await world.ask(*others)
        assert verdicts(results) == ["REJECTED TOKEN_CONFLICT NEW_TOKEN"] * len(CHANNELS)
        assert len(world.calls()) == 1


async def test_a_telephony_that_sets_nothing_is_a_plain_call() -> None:
    """It is the same dial as without a channel, also for a campaign of V1."""
    async with world_of() as world:
        await world.ask(contact("plain"))
        (again,) = await world.ask(contact("plain", telephony=pb.Telephony()))
        assert (verdict(again), again.replayed) == ("ACCEPTED", True)


async def test_a_hold_stops_all_channels() -> None:
    """While a campaign is held none of its requests is sent, whatever the channel; then all are."""
    async with world_of(connect_api="v2") as world:
        operator = stub_of(world)
        await operator.HoldCampaign(pb_campaigns.HoldCampaignRequest(campaign_id=CAMPAIGN, reason="test"))
        caller = world.stream()
        await caller.send(*contacts())
        await until(lambda: world.gateway.engine.outstanding == len(CHANNELS))
        assert world.calls() == []
        await operator.ReleaseCampaign(pb_campaigns.ReleaseCampaignRequest(campaign_id=CAMPAIGN))
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * len(CHANNELS)


async def test_failures_of_all_channels_are_answered_alike() -> None:
    """A refused item, a throttled one and a lost answer mean the same for each channel."""
    async with world_of(connect_api="v2", max_attempts=2) as world:
        world.fault(FaultKind.ITEM_FAILURE, code="InvalidInput", count=len(CHANNELS))
        refused = await world.ask(*contacts())
        assert verdicts(refused) == ["REJECTED INVALID_INPUT NEVER"] * len(CHANNELS)
        world.fault(FaultKind.RESET, after_work=True, count=1)
        retried = await world.ask(*contacts())
        assert verdicts(retried) == ["ACCEPTED"] * len(CHANNELS)
        assert [world.dialed(name) for name in CHANNELS] == [1] * len(CHANNELS)


@pytest.mark.parametrize("sender", ["direct", "boto3"])
async def test_v1_rejects_channels(sender: str) -> None:
    """A campaign of V1 rejects requests with a channel, names the field, and carries the others."""
    async with world_of(sender=sender) as world:
        results = await world.ask(*contacts())
        assert verdicts(results) == ["ACCEPTED"] + ["REJECTED INVALID_REQUEST NEVER"] * 4
        fields = [result.detail.partition(":")[0] for result in results[1:]]
        assert fields == ["telephony.source_phone_number", "sms", "email", "whats_app"]
        (call,) = world.calls()
        assert (call.items, call.channels) == (1, {})


async def test_the_route_of_a_campaign_decides() -> None:
    """With both APIs in use, channels work for the campaigns that are routed to V2 only."""
    async with world_of(connect_api_by_campaign=(("moved-*", "v2"),)) as world:
        (sms,) = await world.ask(contact("sms"), campaign="moved-1")
        (refused,) = await world.ask(contact("sms"), campaign="old-1")
        assert verdict(sms) == "ACCEPTED"
        assert verdict(refused) == "REJECTED INVALID_REQUEST NEVER"


async def test_nothing_of_a_channel_is_emitted(caplog: pytest.LogCaptureFixture) -> None:
    """Logs, spans, details and metrics contain no address, source or template, also of refused requests."""
    caplog.set_level("DEBUG", "gateway")
    bad = [
        contact("email", email=pb.Email(destination_address="kobalt at example.com")),
        contact("email", phone_number="+12065550188"),
        contact("sms", sms=pb.Sms(template_arn="kobalt-template")),
        contact("telephony", telephony=pb.Telephony(source_phone_number="kobalt" * 50)),
        contact("telephony", telephony=pb.Telephony(ring_timeout=Duration(seconds=61))),
    ]
    async with world_of(connect_api="v2") as world:
        world.fault(FaultKind.EXCEPTION, code="ValidationException", message=ADDRESS, count=1)
        world.fault(FaultKind.EXCEPTION, code="NewException", status=418, message=ADDRESS, count=1)
        results = await world.ask(*contacts())
        refused = await world.ask(*bad)
        assert verdicts(refused) == ["REJECTED INVALID_REQUEST NEVER"] * len(bad)
        emitted = [str(result) for result in (*results, *refused)]
        emitted.append((await get(world.gateway.admin_port, "/metrics")).body)
        emitted += [span.to_json() for span in world.spans()]
    assert len(emitted) > 15
    assert "CallInvalid" in caplog.text
    told = "\n".join([*emitted, caplog.text])
    for private in ("kobalt", "news@", "arn:aws", "2065550199", "2065550188", "Ada"):
        assert private not in told


async def test_channels_in_a_long_message_are_read_in_parts(world: World) -> None:
    """A long message of requests with a channel is parsed in parts, and each request is answered."""
    many = [contact("sms") for _ in range(1200)]
    results = await world.ask(*many)
    assert verdicts(results) == ["REJECTED INVALID_REQUEST NEVER"] * len(many)


async def test_the_guard_has_rules_by_channel(tmp_path: Path) -> None:
    """Calls wait for their hours while texts go; an e-mail is not checked against a list of numbers."""
    put(tmp_path / "dnc.txt", f"{PHONE}\n")
    opening = datetime.now(UTC) + timedelta(hours=3)
    hours = f'{{monday-sunday: ["{opening:%H:%M}-{opening + timedelta(hours=1):%H:%M}"]}}'
    put(
        tmp_path / "guard.yaml",
        f"""
version: 1
lists: {{dnc: {{file: {tmp_path / "dnc.txt"}}}}}
rules:
  - {{name: calls, campaigns: ["*"], channels: [telephony], hours: {hours}, zone: {{fixed: Etc/UTC}}}}
  - {{name: texts, campaigns: ["*"], channels: [sms, email], hours: always}}
  - {{name: chats, campaigns: ["*"], channels: [email, whatsapp], hours: always, lists: [dnc]}}
""",
    )
    async with world_of(connect_api="v2", guard_file=str(tmp_path / "guard.yaml")) as world:
        results = await world.ask(*contacts())
        assert verdicts(results) == [
            "NOT_ACCEPTED OUTSIDE_CALLING_HOURS SAME_TOKEN",
            "NOT_ACCEPTED OUTSIDE_CALLING_HOURS SAME_TOKEN",
            "ACCEPTED",
            "ACCEPTED",
            "REJECTED SUPPRESSED NEVER",
        ]
        (call,) = world.calls()
        assert call.channels == {"sms": "sms", "email": "email"}
