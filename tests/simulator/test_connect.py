from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.simulator import BufferSize, CampaignState, Delivery, Fault, FaultKind, Quota

if TYPE_CHECKING:
    from gateway.simulator.connect import Reply
    from tests.simulator.conftest import Account, MakeAccount

PUT = "PutDialRequestBatch"


def lists(reply: Reply) -> tuple[dict[str, str], dict[str, str]]:
    """The tokens that succeeded with their ids, and those that failed with their codes."""
    assert reply.status == 200
    answer = json.loads(reply.body)
    return (
        {item["clientToken"]: item["id"] for item in answer["successfulRequests"]},
        {item["clientToken"]: item["failureCode"] for item in answer["failedRequests"]},
    )


def test_good_items_are_accepted(account: Account) -> None:
    """Each valid item succeeds with an id of its own, and the journal has the same ids."""
    accepted, failed = lists(account.put_tokens("a", "b"))
    assert set(accepted) == {"a", "b"}
    assert len(set(accepted.values())) == 2
    assert failed == {}
    (call,) = account.connect.journal
    assert {item.token: item.id for item in call.accepted} == accepted
    assert (call.campaign, call.items, call.result, call.delivery) == ("campaign", 2, "OK", Delivery.SENT)


def test_answers_come_in_another_order(account: Account) -> None:
    """The lists of an answer are not in the order of the call, because Connect promises no order."""
    answer = json.loads(account.put_tokens("a", "b", "c").body)
    assert [item["clientToken"] for item in answer["successfulRequests"]] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "change",
    [
        {"phoneNumber": ""},
        {"phoneNumber": "12065550100"},
        {"phoneNumber": "+02065550100"},
        {"phoneNumber": "+1-"},
        {"phoneNumber": "+1206555010012345"},
        {"expirationTime": "2026-01-01T12:00:00Z"},
        {"expirationTime": "2025-01-01T00:00:00Z"},
    ],
)
def test_a_bad_item_fails_alone(account: Account, change: dict[str, str]) -> None:
    """A phone number that is not E.164, or an expiration in the past, is InvalidInput for this item only."""
    accepted, failed = lists(account.put(account.item("bad", **change), account.item("good")))
    assert set(accepted) == {"good"}
    assert failed == {"bad": "InvalidInput"}


def test_expiration_too_far_ahead(make_account: MakeAccount) -> None:
    """With the option set, an expiration beyond the limit is InvalidInput; without it any is valid."""
    far = {"expirationTime": "2026-01-01T12:15:01Z"}
    limited, free = make_account(max_expiration_ahead_s=900.0), make_account()
    assert lists(limited.put(limited.item("a", **far), limited.item("b")))[1] == {"a": "InvalidInput"}
    assert lists(free.put(free.item("a", **far)))[1] == {}


def test_an_accepted_token_is_answered_again(account: Account) -> None:
    """A token that is sent again gets the same id at any later time, and is not dialed again."""
    item = account.item("a")
    first = lists(account.put(item))[0]
    account.now += 3600
    assert lists(account.put(item))[0] == first
    assert account.connect.journal.dials() == {("campaign", "a"): 1}
    assert account.connect.stats().items == {"accepted": 1, "replayed": 1}


def test_a_token_belongs_to_its_campaign(account: Account) -> None:
    """The same token in another campaign is another dial."""
    one, two = (lists(account.put_tokens("a", campaign=name))[0] for name in ("one", "two"))
    assert one["a"] != two["a"]


def test_tokens_are_bounded(make_account: MakeAccount) -> None:
    """Beyond the limit the oldest accepted token is forgotten."""
    account = make_account(call_rate=0, token_limit=2)
    for token in ("a", "b", "c", "a"):
        account.put_tokens(token)
    assert account.connect.journal.dials() == {
        ("campaign", "a"): 2, ("campaign", "b"): 1, ("campaign", "c"): 1
    }  # fmt: skip


def test_a_full_buffer_throttles_items(make_account: MakeAccount) -> None:
    """Items that do not fit are RequestThrottled; replays need no room; the dialer's drain makes room."""
    account = make_account(call_rate=0, buffer_capacity=2, buffer_drain_per_s=1.0)
    accepted, failed = lists(account.put_tokens("a", "b", "c"))
    assert set(accepted) == {"a", "b"}
    assert failed == {"c": "RequestThrottled"}
    account.now += 1
    accepted, failed = lists(account.put_tokens("a", "b", "c", "d"))
    assert set(accepted) == {"a", "b", "c"}
    assert failed == {"d": "RequestThrottled"}


def test_calls_beyond_the_quota_are_throttled(make_account: MakeAccount) -> None:
    """Over 10 seconds of constant load, the burst and 10 calls a second pass; throttled calls do nothing."""
    account = make_account(journal_limit=None)
    start = account.now
    for step in range(1000):
        account.now = start + step * 0.01
        account.put_tokens(f"t{step}")
    calls = account.connect.stats().calls[PUT]
    assert calls["OK"] in (109, 110)
    assert calls["ThrottlingException"] == 1000 - calls["OK"]
    assert account.connect.stats().items["accepted"] == calls["OK"]


def test_a_malformed_call_spends_quota(make_account: MakeAccount) -> None:
    """A call is throttled before it is validated, as on AWS."""
    account = make_account(call_burst=1)
    assert account.put().error_code == "ValidationException"
    assert account.put_tokens("a").error_code == "ThrottlingException"


def test_a_token_twice_in_one_call(account: Account) -> None:
    """A call with the same token twice is illegal, and nothing is dialed."""
    reply = account.put_tokens("a", "b", "a")
    assert (reply.status, reply.error_code) == (400, "ValidationException")
    assert account.connect.journal.dials() == {}
    assert account.connect.stats().illegal_calls == 1


def test_a_campaign_that_does_not_run(account: Account) -> None:
    """A campaign that is not Running accepts nothing, and the error names its state."""
    for state in set(CampaignState) - {CampaignState.RUNNING, CampaignState.COMPLETED}:
        account.connect.set_state("campaign", state)
        reply = account.put_tokens("a")
        assert (reply.status, reply.error_code) == (409, "InvalidCampaignStateException")
        assert json.loads(reply.body)["state"] == state
    assert account.connect.journal.dials() == {}


def test_an_unknown_campaign(account: Account) -> None:
    """Every operation on a campaign that is set to be unknown is ResourceNotFoundException."""
    account.connect.forget_campaign("campaign")
    assert account.put_tokens("a").error_code == "ResourceNotFoundException"
    assert account.call("POST", "/campaigns/campaign/pause").error_code == "ResourceNotFoundException"
    assert account.call("GET", "/campaigns/campaign").status == 404


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("InternalServerException", 500),
        ("AccessDeniedException", 403),
        ("ConflictException", 409),
        ("ValidationException", 400),
        ("ServiceUnavailable", 500),
    ],
)
def test_injected_exceptions(account: Account, code: str, status: int) -> None:
    """An injected exception has the model's status, does nothing, and is not counted as an illegal call."""
    account.connect.add_fault(Fault(kind=FaultKind.EXCEPTION, code=code, count=1))
    reply = account.put_tokens("a")
    assert (reply.status, reply.error_code) == (status, code)
    assert account.connect.journal.dials() == {}
    assert account.connect.stats().illegal_calls == 0
    assert account.put_tokens("a").status == 200


def test_an_exception_after_the_work(account: Account) -> None:
    """An exception can follow completed work; the same token sent again then returns the id."""
    fault = Fault(kind=FaultKind.EXCEPTION, code="X", status=503, after_work=True, count=1)
    account.connect.add_fault(fault)
    assert account.put_tokens("a").status == 503
    assert account.connect.journal.dials() == {("campaign", "a"): 1}
    assert set(lists(account.put_tokens("a"))[0]) == {"a"}
    assert account.connect.journal.dials() == {("campaign", "a"): 1}


@pytest.mark.parametrize("after_work", [False, True])
@pytest.mark.parametrize(
    ("kind", "delivery"),
    [(FaultKind.RESET, Delivery.RESET), (FaultKind.NO_ANSWER, Delivery.NO_ANSWER)],
)
def test_lost_answers(account: Account, kind: FaultKind, delivery: Delivery, after_work: bool) -> None:
    """When an answer is lost, the work is done or not as the fault says, and the journal records which."""
    account.connect.add_fault(Fault(kind=kind, after_work=after_work))
    assert account.put_tokens("a").delivery is delivery
    (call,) = account.connect.journal
    assert (call.result, call.delivery) == ("OK" if after_work else "NotDone", delivery)
    assert len(account.connect.journal.dials()) == after_work
    assert account.connect.stats().lost_answers == 1


def test_a_lost_refusal_keeps_its_result(account: Account) -> None:
    """When a refusal is lost on its way, the journal has both the refusal and the loss."""
    account.connect.add_fault(Fault(kind=FaultKind.RESET, after_work=True))
    account.connect.set_state("campaign", CampaignState.PAUSED)
    assert account.put_tokens("a").delivery is Delivery.RESET
    (call,) = account.connect.journal
    assert call.result == "InvalidCampaignStateException"


def test_a_throttled_call_uses_up_no_fault(make_account: MakeAccount) -> None:
    """A fault with count 3 affects the next three calls that are not throttled."""
    account = make_account(call_rate=1, call_burst=1)
    account.put_tokens("a")
    account.connect.add_fault(Fault(kind=FaultKind.RESET, count=1))
    assert account.put_tokens("b").error_code == "ThrottlingException"
    account.now += 1
    assert account.put_tokens("b").delivery is Delivery.RESET


def test_latency(make_account: MakeAccount) -> None:
    """The latency of the settings and an injected one add up, also for a refusal."""
    account = make_account(latency_s=0.25)
    account.connect.add_fault(Fault(kind=FaultKind.LATENCY, latency_s=1.0))
    assert account.put_tokens("a").latency_s == 1.25
    account.connect.set_state("campaign", CampaignState.FAILED)
    assert account.put_tokens("a").latency_s == 1.25


@pytest.mark.parametrize("code", ["InvalidInput", "RequestThrottled", "UnknownError", "Novelty"])
def test_injected_item_failures(account: Account, code: str) -> None:
    """An item fails with the chosen code, known or unknown; the other items are accepted."""
    account.connect.add_fault(Fault(kind=FaultKind.ITEM_FAILURE, code=code, token="b"))
    accepted, failed = lists(account.put_tokens("a", "b"))
    assert (set(accepted), failed) == ({"a"}, {"b": code})
    assert account.connect.journal.dials() == {("campaign", "a"): 1}


@pytest.mark.parametrize("after_work", [False, True])
def test_missing_items(account: Account, after_work: bool) -> None:
    """A missing item is in neither list, and is dialed only if the fault says so."""
    account.connect.add_fault(Fault(kind=FaultKind.ITEM_MISSING, token="b", after_work=after_work))
    assert lists(account.put_tokens("b")) == ({}, {})
    assert len(account.connect.journal.dials()) == after_work
    assert account.connect.stats().fill == {1: 1}


def test_items_in_both_lists(account: Account) -> None:
    """An item in both lists was dialed."""
    account.connect.add_fault(Fault(kind=FaultKind.ITEM_IN_BOTH, code="UnknownError", token="b"))
    accepted, failed = lists(account.put_tokens("a", "b"))
    assert (set(accepted), failed) == ({"a", "b"}, {"b": "UnknownError"})
    assert account.connect.stats().items == {"accepted": 2}


def test_the_same_seed_does_the_same(make_account: MakeAccount) -> None:
    """Two accounts with one seed give the same answers, ids and faults included."""

    def session() -> list[bytes]:
        account = make_account(call_rate=0, seed=4)
        account.connect.add_fault(Fault(kind=FaultKind.ITEM_FAILURE, code="UnknownError", probability=0.5))
        return [account.put_tokens(*"abcdef").body for _ in range(10)]

    assert session() == session()


def test_a_reset_clears_everything(account: Account) -> None:
    """A reset clears states, buffers, tokens, quotas, faults and the journal."""
    connect = account.connect
    account.put_tokens("a")
    connect.forget_campaign("campaign")
    connect.set_buffer(None, BufferSize(0))
    connect.set_quota(PUT, Quota(1, 1))
    connect.add_fault(Fault(kind=FaultKind.RESET))
    connect.reset()
    for _ in range(2):
        assert set(lists(account.put_tokens("a"))[0]) == {"a"}
    assert connect.journal.dials() == {("campaign", "a"): 1}
    assert connect.faults.active() == ()


def test_quota_of_an_unknown_operation(account: Account) -> None:
    """A quota for a misspelled operation is an error."""
    with pytest.raises(ValueError, match="no operation 'PutDialRequest'"):
        account.connect.set_quota("PutDialRequest", Quota(1, 1))


def test_nothing_private_is_kept(account: Account) -> None:
    """Phone numbers and attributes appear in no journal, statistics or answer."""
    account.put(account.item("a"), account.item("b", phoneNumber="0815-4711"))
    account.put(account.item("c", phoneNumber="0815 4711"))
    reply = account.put(account.item("d", attributes={"Jane": 4711}))
    kept = f"{list(account.connect.journal)} {account.connect.stats()} {reply}"
    for private in ("2065550100", "4711", "Jane"):
        assert private not in kept


def test_describe_and_list(account: Account) -> None:
    """Campaigns are described as they were created, listed in pages, and absent once deleted."""
    details = {
        "name": "autumn",
        "connectInstanceId": "instance",
        "dialerConfig": {"agentlessDialerConfig": {}},
        "outboundCallConfig": {"connectContactFlowId": "flow"},
        "tags": {"team": "sales"},
    }
    ids = [json.loads(account.call("PUT", "/campaigns", details).body)["id"] for _ in range(3)]
    described = json.loads(account.call("GET", f"/campaigns/{ids[0]}").body)["campaign"]
    assert described.items() >= details.items()
    assert account.call("DELETE", f"/campaigns/{ids[1]}").status == 200
    account.connect.set_state("other", CampaignState.RUNNING)
    assert _pages(account, "instance") == [[ids[0]], [ids[2]]]


def _pages(account: Account, instance: str) -> list[list[str]]:
    ask: dict[str, Any] = {
        "maxResults": 1, "filters": {"instanceIdFilter": {"value": instance, "operator": "Eq"}}
    }  # fmt: skip
    pages = []
    while True:
        answer = json.loads(account.call("POST", "/campaigns-summary", ask).body)
        pages.append([campaign["id"] for campaign in answer["campaignSummaryList"]])
        if "nextToken" not in answer:
            return pages
        ask["nextToken"] = answer["nextToken"]


def test_an_invented_page_token(account: Account) -> None:
    """A nextToken that the simulator did not issue is a ValidationException."""
    reply = account.call("POST", "/campaigns-summary", {"nextToken": "²"})
    assert reply.error_code == "ValidationException"


def test_unknown_operations(account: Account) -> None:
    """An operation that the simulator does not implement is refused by name, and counted separately."""
    reply = account.call("GET", "/connect-instance/1/config")
    assert (reply.status, reply.error_code) == (404, "UnknownOperationException")
    assert account.connect.stats().refused == {"UnknownOperationException": 1}
