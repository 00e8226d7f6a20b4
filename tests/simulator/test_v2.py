"""V2 and V1 serve one account, and V2's answers reach its real boto3 client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from gateway.simulator import BufferSize, CampaignState, Fault, FaultKind

if TYPE_CHECKING:
    from gateway.simulator import Simulator
    from gateway.simulator.connect import Reply
    from tests.simulator.conftest import Account, MakeAccount

DETAILS = {"name": "autumn", "connectInstanceId": "instance"}


def lists(reply: Reply) -> tuple[dict[str, str], dict[str, str]]:
    """The tokens that succeeded with their ids, and those that failed with their codes."""
    assert reply.status == 200, reply.body
    answer = json.loads(reply.body)
    return (
        {item["clientToken"]: item["id"] for item in answer["successfulRequests"]},
        {item["clientToken"]: item["failureCode"] for item in answer["failedRequests"]},
    )


def ask(account: Account, method: str, path: str, document: object = None) -> Any:
    body = account.call(method, path, document).body
    return json.loads(body) if body else None


def test_items_are_accepted_and_in_the_journal(account: Account) -> None:
    """Each valid item succeeds with an id of its own; the journal names V2's operation."""
    accepted, failed = lists(account.put_outbound(account.outbound_item("a"), account.outbound_item("b")))
    (call,) = account.connect.journal
    assert (set(accepted), failed) == ({"a", "b"}, {})
    assert {item.token: item.id for item in call.accepted} == accepted
    assert (call.operation, call.campaign, call.items) == ("PutOutboundRequestBatch", "campaign", 2)
    assert account.connect.stats().fill == {2: 1}


def test_a_token_is_the_same_in_both(account: Account) -> None:
    """A token that V1 has accepted is answered by V2 with the same id, and dialed once."""
    first = lists(account.put_tokens("a"))[0]
    assert lists(account.put_outbound(account.outbound_item("a")))[0] == first
    assert account.connect.journal.dials() == {("campaign", "a"): 1}


def test_the_quota_is_the_same_in_both(make_account: MakeAccount) -> None:
    """Calls of both versions spend one bucket, as AWS lists them in one row."""
    account = make_account(call_rate=1, call_burst=1)
    assert account.put_tokens("a").status == 200
    assert account.put_outbound(account.outbound_item("b")).error_code == "ThrottlingException"
    account.now += 1
    assert account.put_outbound(account.outbound_item("b")).status == 200
    assert account.put_tokens("c").error_code == "ThrottlingException"


def test_a_full_buffer_has_another_code(account: Account) -> None:
    """An item that does not fit the shared buffer is BufferLimitExceeded in V2 and RequestThrottled in V1."""
    account.connect.set_buffer("campaign", BufferSize(1))
    items = [account.outbound_item(token) for token in "ab"]
    assert lists(account.put_outbound(*items))[1] == {"b": "BufferLimitExceeded"}
    assert lists(account.put_tokens("c"))[1] == {"c": "RequestThrottled"}


def test_excessive_usage(account: Account) -> None:
    """A rate fault fails items of V2, and none of V1."""
    account.connect.add_fault(Fault(kind=FaultKind.RATE, token="a"))
    items = [account.outbound_item(token) for token in "ab"]
    assert lists(account.put_outbound(*items))[1] == {"a": "RequestThrottled"}
    assert lists(account.put_tokens("a"))[1] == {}
    assert account.connect.stats().items == {"RequestThrottled": 1, "accepted": 2}


CALL: dict[str, Any] = {"destinationPhoneNumber": "+12065550100", "attributes": {}}
CHANNELS: dict[str, dict[str, Any]] = {
    "sms": {"destinationPhoneNumber": "+12065550100", "templateParameters": {"name": "Jane"}},
    "email": {"destinationEmailAddress": "jane@example.com", "templateParameters": {}},
    "whatsApp": {"destinationPhoneNumber": "+12065550100", "templateParameters": {}},
}


def items_of_channels(account: Account) -> list[dict[str, Any]]:
    """Make an item for each channel but telephony, with its name as token, and one for telephony."""
    items = [
        account.outbound_item(name) | {"channelSubtypeParameters": {name: parameters}}
        for name, parameters in CHANNELS.items()
    ]
    return [*items, account.outbound_item("telephony")]


def test_items_of_all_channels_are_accepted(account: Account) -> None:
    """Each channel is accepted, and the journal has the channel of each token, and no address."""
    assert set(lists(account.put_outbound(*items_of_channels(account)))[0]) == {*CHANNELS, "telephony"}
    (call,) = account.connect.journal
    assert call.channels == {name: name for name in CHANNELS}
    assert "jane@example.com" not in repr(call)


def test_items_of_all_channels_are_answered_alike(account: Account) -> None:
    """A repeated token, a passed expiration and a full buffer are answered the same way for each channel."""
    items = items_of_channels(account)
    accepted = lists(account.put_outbound(*items))[0]
    assert lists(account.put_outbound(*items))[0] == accepted
    account.connect.set_buffer("campaign", BufferSize(0))
    fresh = [item | {"clientToken": f"{item['clientToken']}-2"} for item in items]
    assert set(lists(account.put_outbound(*fresh))[1].values()) == {"BufferLimitExceeded"}
    past = [item | {"expirationTime": "2020-01-01T00:00:00Z"} for item in fresh]
    assert set(lists(account.put_outbound(*past))[1].values()) == {"InvalidInput"}


def test_items_for_channels_that_the_campaign_lacks_are_invalid(account: Account) -> None:
    """An item for a channel that is not in the campaign's configuration is InvalidInput."""
    config = {"telephony": {"outboundMode": {"agentless": {}}, "defaultOutboundConfig": _outbound()}}
    campaign = ask(account, "PUT", "/v2/campaigns", DETAILS | {"channelSubtypeConfig": config})["id"]
    account.connect.set_state(campaign, CampaignState.RUNNING)
    accepted, failed = lists(account.put_outbound(*items_of_channels(account), campaign=campaign))
    assert set(accepted) == {"telephony"}
    assert failed == dict.fromkeys(CHANNELS, "InvalidInput")


@pytest.mark.parametrize(
    "parameters",
    [
        {"sms": {"destinationPhoneNumber": "+12065550100"}},
        {"sms": CHANNELS["sms"] | {"templateArn": "template"}},
        {"whatsApp": CHANNELS["whatsApp"] | {"templateArn": "arn:aws:a:us-east-1:1:" + "/a" * 200 + "::"}},
        {"email": {"templateParameters": {}}},
        {"email": {"destinationEmailAddress": "jane", "templateParameters": {}}},
        {"email": CHANNELS["email"] | {"connectSourceEmailAddress": ""}},
        {"telephony": CALL | {"ringTimeout": 14}},
        {"telephony": CALL | {"answerMachineDetectionConfig": {}}},
    ],
)
def test_channels_that_break_the_model_are_illegal(account: Account, parameters: dict[str, Any]) -> None:
    """A missing member, or one outside the model's limits, makes the whole call invalid."""
    reply = account.put_outbound(account.outbound_item("a") | {"channelSubtypeParameters": parameters})
    assert reply.error_code == "ValidationException"
    assert account.connect.stats().illegal_calls == 1


@pytest.mark.parametrize("count", [0, 26])
def test_how_many_items(account: Account, count: int) -> None:
    """A call has 1 to 25 items."""
    reply = account.put_outbound(*(account.outbound_item(f"t{index}") for index in range(count)))
    assert (reply.status, reply.error_code) == (400, "ValidationException")


def test_violations_of_the_model_are_refused(account: Account) -> None:
    """A bad phone number, token or union, a duplicate token, and an id that V2 does not allow are illegal
    calls.
    """
    good = account.outbound_item("a")
    both = {"telephony": good["channelSubtypeParameters"]["telephony"], "email": None} | {
        "sms": {"destinationPhoneNumber": "+1", "templateParameters": {}}
    }
    calls = [
        account.put_outbound(account.outbound_item("a", destinationPhoneNumber="one two")),
        account.put_outbound(account.outbound_item("a b")),
        account.put_outbound(good | {"channelSubtypeParameters": both}),
        account.put_outbound(good | {"channelSubtypeParameters": {}}),
        account.put_outbound(good, good),
        account.put_outbound(good, campaign="under_score"),
    ]
    assert {reply.error_code for reply in calls} == {"ValidationException"}
    assert account.connect.stats().illegal_calls == len(calls)
    assert account.connect.journal.dials() == {}


def test_a_campaign_with_a_source_accepts_nothing(account: Account) -> None:
    """Only campaigns that were created without a source accept requests."""
    source = {"customerProfilesSegmentArn": "arn:aws:profile:us-east-1:000000000000:segment/one"}
    campaign = ask(account, "PUT", "/v2/campaigns", DETAILS | {"source": source})["id"]
    account.connect.set_state(campaign, CampaignState.RUNNING)
    reply = account.put_outbound(account.outbound_item("a"), campaign=campaign)
    assert reply.error_code == "ValidationException"


def test_a_campaign_is_the_same_in_both(account: Account) -> None:
    """A campaign created by V2 can be changed and described by V1, with V1's members."""
    channels = {"telephony": {"outboundMode": {"agentless": {}}, "defaultOutboundConfig": _outbound()}}
    made = ask(account, "PUT", "/v2/campaigns", DETAILS | {"channelSubtypeConfig": channels})
    account.call("POST", f"/campaigns/{made['id']}/start")
    assert ask(account, "GET", f"/v2/campaigns/{made['id']}/state") == {"state": "Running"}
    described = ask(account, "GET", f"/campaigns/{made['id']}")["campaign"]
    assert (described["name"], "channelSubtypeConfig" in described) == ("autumn", False)
    assert ask(account, "GET", f"/v2/campaigns/{made['id']}")["campaign"]["channelSubtypeConfig"] == channels
    (listed,) = ask(account, "POST", "/v2/campaigns-summary", {})["campaignSummaryList"]
    assert listed["channelSubtypes"] == ["TELEPHONY"]


def _outbound() -> dict[str, Any]:
    return {"connectContactFlowId": "flow"}


def test_only_v2_reports_completed(account: Account) -> None:
    """A Completed campaign accepts nothing; V1, whose model has no such state, says Stopped."""
    account.connect.set_state("campaign", CampaignState.COMPLETED)
    reply = account.put_outbound(account.outbound_item("a"))
    assert (reply.error_code, json.loads(reply.body)["state"]) == (
        "InvalidCampaignStateException", "Completed"
    )  # fmt: skip
    assert json.loads(account.put_tokens("a").body)["state"] == "Stopped"
    assert ask(account, "GET", "/v2/campaigns/campaign/state") == {"state": "Completed"}
    assert ask(account, "GET", "/campaigns/campaign/state") == {"state": "Stopped"}


def test_both_state_calls_share_one_quota(account: Account) -> None:
    """State changes and state calls of both versions spend the same buckets."""
    account.connect.set_state("campaign", CampaignState.RUNNING)
    statuses = [
        account.call("GET", f"{prefix}/campaigns/campaign/state").status for prefix in ("", "/v2") * 6
    ]
    assert statuses == [200] * 10 + [429] * 2


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Any]:
    session: Any = boto3.Session("simulator", "simulator", region_name="us-east-1")
    client = session.client("connectcampaignsv2", endpoint_url=simulator.url)
    yield client
    client.close()


def _live(client: Any) -> None:
    begin = datetime.now(UTC).replace(microsecond=0)
    schedule = {"startTime": begin, "endTime": begin + timedelta(days=1), "refreshFrequency": "PT1H"}
    campaign = client.create_campaign(**DETAILS, schedule=schedule, tags={"team": "sales"})["id"]
    states = [client.get_campaign_state(id=campaign)["state"]]
    for move in (
        client.start_campaign, client.pause_campaign, client.resume_campaign, client.stop_campaign
    ):  # fmt: skip
        move(id=campaign)
        states.append(client.get_campaign_state(id=campaign)["state"])
    assert states == ["Initialized", "Running", "Paused", "Running", "Stopped"]
    with pytest.raises(client.exceptions.InvalidCampaignStateException) as caught:
        client.resume_campaign(id=campaign)
    assert dict(caught.value.response)["state"] == "Stopped"
    described = client.describe_campaign(id=campaign)["campaign"]
    assert (described["name"], described["schedule"]) == ("autumn", schedule)
    (listed,) = client.list_campaigns()["campaignSummaryList"]
    assert (listed["id"], listed["schedule"], listed["channelSubtypes"]) == (campaign, schedule, [])
    client.delete_campaign(id=campaign)
    answer = client.get_campaign_state_batch(campaignIds=["any", campaign])
    assert answer["successfulRequests"] == [{"campaignId": "any", "state": "Running"}]
    assert answer["failedRequests"] == [{"campaignId": campaign, "failureCode": "ResourceNotFound"}]


async def test_the_life_of_a_campaign(client: Any) -> None:
    """A campaign is created, started, paused, resumed, stopped, described, listed and deleted."""
    await asyncio.to_thread(_live, client)
