from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.simulator import CampaignState
from gateway.simulator.control import control

if TYPE_CHECKING:
    from tests.simulator.conftest import Account


def ask(account: Account, method: str, path: str, document: object = None) -> Any:
    body = b"" if document is None else json.dumps(document).encode()
    status, answer = control(account.connect, method, f"/_control/{path}", body, account.now)
    json.dumps(answer)
    return answer if status == 200 else status


def test_faults_are_set_listed_and_cleared(account: Account) -> None:
    """A fault sent as JSON takes effect; the list shows how often; one fault or all are removed."""
    fault = {"kind": "exception", "code": "ThrottlingException", "count": 2, "campaign": None}
    first = ask(account, "POST", "faults", fault)["id"]
    assert account.put_tokens("a").error_code == "ThrottlingException"
    (listed,) = ask(account, "GET", "faults")["faults"]
    assert (listed["id"], listed["struck"], listed["remaining"]) == (first, 1, 1)
    assert ask(account, "DELETE", f"faults/{first}") == {}
    assert ask(account, "DELETE", f"faults/{first}") == 404
    ask(account, "POST", "faults", {"kind": "reset"})
    assert ask(account, "DELETE", "faults") == {}
    assert ask(account, "GET", "faults") == {"faults": []}


def test_campaigns(account: Account) -> None:
    """A campaign's state is set, and the campaign is made unknown, under its percent-encoded id."""
    ask(account, "PUT", "campaigns/a%2Fb", {"state": "Paused"})
    assert account.connect.campaigns.get("a/b").state is CampaignState.PAUSED
    ask(account, "PUT", "campaigns/a%2Fb", {"name": "debt", "tags": {"team": "billing"}})
    described = json.loads(account.call("GET", "/campaigns/a%2Fb").body)["campaign"]
    assert (described["name"], described["tags"]) == ("debt", {"team": "billing"})
    ask(account, "PUT", "campaigns/a%2Fb", {"exists": False})
    assert account.call("GET", "/campaigns/a%2Fb").status == 404


def test_buffers_and_quotas(account: Account) -> None:
    """Buffers are set for one campaign or all, quotas for an operation."""
    ask(account, "PUT", "buffers/campaign", {"capacity": 1})
    assert b"RequestThrottled" in account.put_tokens("a", "b").body
    assert b"RequestThrottled" not in account.put_tokens("a", "b", campaign="other").body
    ask(account, "PUT", "buffers", {"capacity": 0, "drain_per_s": 0.5})
    assert b"RequestThrottled" in account.put_tokens("c", campaign="other").body
    ask(account, "PUT", "quotas/PutDialRequestBatch", {"rate": 1, "burst": 1})
    assert [account.put_tokens("d").status for _ in range(2)] == [200, 429]


def test_other_callers(account: Account) -> None:
    """Other callers spend the quota at once or during a later period; they are listed and removed."""
    ask(account, "PUT", "quotas/PutDialRequestBatch", {"rate": 1, "burst": 3})
    assert ask(account, "POST", "quotas/PutDialRequestBatch", {"calls": 2}) == {"granted": 2}
    first = ask(account, "POST", "callers", {"calls_per_s": 2, "after_s": 10, "for_s": 10, "insists": False})[
        "id"
    ]
    second = ask(account, "POST", "callers", {"calls_per_s": 1, "operation": "DescribeCampaign"})["id"]
    account.now += 30
    listed = {each["id"]: each for each in ask(account, "GET", "callers")["callers"]}
    counts = (listed[first]["granted"], listed[first]["throttled"])
    assert (sum(counts), counts[0]) in ((20, 12), (20, 13))
    assert listed[second]["caller"]["end_at"] is None
    assert ask(account, "DELETE", f"callers/{first}") == {}
    assert ask(account, "DELETE", f"callers/{first}") == 404
    assert ask(account, "DELETE", "callers") == {}
    assert ask(account, "GET", "callers") == {"callers": []}


def test_stats_journal_and_reset(account: Account) -> None:
    """Statistics and journal are read for all campaigns or for one, and cleared."""
    account.put_tokens("a")
    assert ask(account, "GET", "stats")["items"] == {"accepted": 1}
    (call,) = ask(account, "GET", "journal/campaign")["calls"]
    assert call["accepted"][0]["token"] == "a"
    assert ask(account, "GET", "journal/other") == {"calls": []}
    ask(account, "POST", "reset")
    assert ask(account, "GET", "journal") == {"calls": []}


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "faults", {}),
        ("POST", "faults", {"kind": "flood"}),
        ("POST", "faults", {"kind": "reset", "cuont": 3}),
        ("POST", "faults", {"kind": "reset", "count": "3"}),
        ("POST", "faults", {"kind": "reset", "count": True}),
        ("POST", "faults", {"kind": "reset", "after_work": 1}),
        ("POST", "faults", []),
        ("DELETE", "faults/all", None),
        ("PUT", "campaigns/a", {"state": "Sleeping"}),
        ("PUT", "campaigns/a", {"state": "Paused", "exists": False}),
        ("PUT", "campaigns/a", {"name": "debt", "exists": False}),
        ("PUT", "campaigns/a", {"tags": []}),
        ("PUT", "buffers", {"capacity": -1}),
        ("PUT", "quotas/PutDialRequestBatch", {"rate": 5}),
        ("PUT", "quotas/Nothing", {"rate": 5, "burst": 5}),
        ("POST", "quotas/Nothing", {"calls": 1}),
        ("POST", "quotas/PutDialRequestBatch", {"calls": -1}),
        ("POST", "quotas/PutDialRequestBatch", {"calls": 10**9}),
        ("POST", "callers", {}),
        ("POST", "callers", {"calls_per_s": 1, "operation": "Nothing"}),
        ("POST", "callers", {"calls_per_s": 1, "after_s": -1}),
        ("POST", "callers", {"calls_per_s": 1, "for_s": -1}),
        ("POST", "callers", {"calls_per_s": float("nan")}),
        ("DELETE", "callers/all", None),
    ],
)
def test_bad_input_is_refused(account: Account, method: str, path: str, document: object) -> None:
    """Invalid input is a 400 that says why, and changes nothing."""
    assert ask(account, method, path, document) == 400
    assert ask(account, "GET", "faults") == {"faults": []}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "nothing"), ("PUT", "campaigns"), ("PUT", "stats")]
)
def test_unknown_paths(account: Account, method: str, path: str) -> None:
    """An unknown path is a 404."""
    assert ask(account, method, path) == 404
