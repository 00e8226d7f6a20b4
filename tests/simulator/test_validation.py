from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.simulator.errors import CallError, IllegalCallError
from gateway.simulator.service import Service

SERVICE = Service(
    "connectcampaigns", ["PutDialRequestBatch", "CreateCampaign", "GetCampaignStateBatch", "ListCampaigns"]
)
ITEM = {
    "clientToken": "token-1",
    "phoneNumber": "+12065550100",
    "expirationTime": "2026-01-01T12:00:00Z",
    "attributes": {},
}
CAMPAIGN = {
    "name": "n",
    "connectInstanceId": "i",
    "dialerConfig": {"progressiveDialerConfig": {"bandwidthAllocation": 1}},
    "outboundCallConfig": {"connectContactFlowId": "f"},
}


def read(method: str, path: str, document: object) -> dict[str, Any]:
    found = SERVICE.match(method, path)
    assert found is not None
    operation, labels = found
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return operation.read(labels, body)


def read_items(*items: object, campaign: str = "c") -> dict[str, Any]:
    return read("PUT", f"/campaigns/{campaign}/dial-requests", {"dialRequests": items})


def refusal(*items: object, campaign: str = "c") -> str:
    with pytest.raises(IllegalCallError) as caught:
        read_items(*items, campaign=campaign)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_a_good_call_is_parsed() -> None:
    """A valid call is parsed into its id and its timestamps as Unix seconds, without unknown members."""
    parsed = read_items(ITEM | {"stranger": 1})
    assert parsed == {"id": "c", "dialRequests": [ITEM | {"expirationTime": 1767268800.0}]}


@pytest.mark.parametrize("count", [1, 25])
def test_sizes_at_the_limits_are_legal(count: int) -> None:
    """One item and 25 items, a token of 200 and an attribute of 32,767 characters are legal."""
    item = ITEM | {"clientToken": "a" * 200, "attributes": {"k" * 32767: "v\n" * 16383}}
    assert len(read_items(*[item] * count)["dialRequests"]) == count


@pytest.mark.parametrize("count", [0, 26])
def test_sizes_beyond_the_limits_are_not(count: int) -> None:
    """No item, or 26 items, is a violation that names the list."""
    assert "'dialRequests'" in refusal(*[ITEM] * count)


@pytest.mark.parametrize("member", ITEM)
def test_every_member_is_required(member: str) -> None:
    """A missing member and a null are the same violation, named with the item's position from 1."""
    missing = refusal(ITEM, {name: value for name, value in ITEM.items() if name != member})
    assert missing == refusal(ITEM, ITEM | {member: None})
    assert f"'dialRequests.2.member.{member}'" in missing
    assert "Member must not be null" in missing


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("clientToken", "a" * 201),
        ("clientToken", "no spaces"),
        ("clientToken", "no newline\n"),
        ("clientToken", "münchen"),
        ("clientToken", 5),
        ("phoneNumber", "+1206555010012345678901"),
        ("phoneNumber", "+1 206 555 0100"),
        ("phoneNumber", "+1٢065550100"),
        ("phoneNumber", ["+12065550100"]),
        ("expirationTime", 1767268800),
        ("expirationTime", "2026-01-01"),
        ("expirationTime", "2026-01-01T12:00:00"),
        ("expirationTime", "2026-13-01T12:00:00Z"),
        ("expirationTime", "0001-01-01T00:00:00+23:59"),
        ("attributes", []),
        ("attributes", {"no spaces": "secret"}),
        ("attributes", {"": "secret"}),
        ("attributes", {"k" * 32768: "secret"}),
        ("attributes", {"key": "secret" * 6000}),
        ("attributes", {"key": 5551234}),
        ("attributes", {"key": None}),
    ],
)
def test_a_violation_names_the_member_and_never_the_value(member: str, value: object) -> None:
    """Each violation names the member, and does not repeat its value."""
    message = refusal(ITEM | {member: value})
    assert f"'dialRequests.1.member.{member}'" in message
    assert str(value) not in message
    assert "secret" not in message
    assert "5551234" not in message


def test_the_campaign_id_is_checked() -> None:
    """An id with a space, or one that is too long, is a violation of `id`."""
    assert "'id'" in refusal(ITEM, campaign="a%20b")
    assert "'id'" in refusal(ITEM, campaign="a" * 257)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_not_a_json_object(body: bytes) -> None:
    """A body that cannot be parsed is a SerializationException, whatever it contains."""
    with pytest.raises(CallError) as caught:
        read("PUT", "/campaigns/c/dial-requests", body)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)


def test_an_empty_body_lacks_its_members() -> None:
    """A call without a body misses its required members."""
    with pytest.raises(IllegalCallError, match="'dialRequests'"):
        read("PUT", "/campaigns/c/dial-requests", b"")


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"name": ""}, "'name'"),
        ({"dialerConfig": {}}, "'dialerConfig'"),
        ({"dialerConfig": {"progressiveDialerConfig": {"bandwidthAllocation": 2}}}, "bandwidthAllocation"),
        ({"dialerConfig": {"progressiveDialerConfig": {"bandwidthAllocation": True}}}, "bandwidthAllocation"),
        ({"dialerConfig": {"agentlessDialerConfig": {"dialingCapacity": 0}}}, "dialingCapacity"),
        (
            {
                "dialerConfig": {
                    "agentlessDialerConfig": {},
                    "predictiveDialerConfig": {"bandwidthAllocation": 1},
                }
            },
            "'dialerConfig'",
        ),
        ({"tags": {"aws:mine": "x"}}, "'tags'"),
    ],
)
def test_numbers_unions_and_tags(change: dict[str, object], member: str) -> None:
    """Ranges, unions and patterns of the other operations are checked as well."""
    assert read("PUT", "/campaigns", CAMPAIGN)["name"] == "n"
    with pytest.raises(IllegalCallError, match=member):
        read("PUT", "/campaigns", CAMPAIGN | change)


def test_enums() -> None:
    """A value outside an enum is a violation."""
    filters = {"instanceIdFilter": {"value": "i", "operator": "Like"}}
    with pytest.raises(IllegalCallError, match="operator"):
        read("POST", "/campaigns-summary", {"filters": filters})


def test_an_encoded_slash_stays_within_the_id() -> None:
    """The path is matched before it is decoded, so an encoded slash stays part of the id."""
    assert read_items(ITEM, campaign="a%2Fb%3Ac")["id"] == "a/b:c"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/campaigns/c/dial-requests"),
        ("PUT", "/campaigns//dial-requests"),
        ("PUT", "/campaigns/c/dial-requests/"),
    ],
)
def test_paths_outside_the_model(method: str, path: str) -> None:
    """Only the model's methods and paths reach an operation."""
    assert SERVICE.match(method, path) is None
