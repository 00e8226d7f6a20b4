"""Which dial requests are refused before they become outstanding."""

import dataclasses
from typing import Any

import pytest

from gateway.core.campaign_id import problem_with_campaign, problem_with_campaign_of_v2
from gateway.core.intake.validation import is_past, problem_with
from tests.unit.core.making import NOW, PHONE, dial


def problem(**changes: Any) -> str | None:
    """Return what is wrong with a good dial request after some changes."""
    request = dataclasses.replace(dial(), **changes)
    return problem_with_campaign(request.campaign_id) or problem_with(request)


@pytest.mark.parametrize("token", ["a", "t" * 200, "A-z_0.9", ".", ".."])
def test_good_token(token: str) -> None:
    """A token is 1 to 200 of Connect's characters."""
    assert problem(client_token=token) is None


@pytest.mark.parametrize("token", ["t" * 201, "a b", "a\n", "\n", "ä", "a/b", "\u0661", "a\x00", "a:b"])
def test_bad_token(token: str) -> None:
    """Any other character, and a 201st, is refused with the rule."""
    assert problem(client_token=token) == "client_token: 1 to 200 of a-z, A-Z, 0-9, '_', '-', '.'"


@pytest.mark.parametrize("phone", ["+12", "+12065550100", "+123456789012345", PHONE])
def test_good_phone_number(phone: str) -> None:
    """A phone number is E.164 with up to 15 digits."""
    assert problem(phone_number=phone) is None


@pytest.mark.parametrize(
    "phone",
    [
        "12065550100",
        "+02065550100",
        "+1",
        "+",
        "+1234567890123456",
        "+1 206 555 0100",
        "+1-206-555-0100",
        "+1206555010\u0661",
        "+\u0661\u0662\u0663\u0664\u0665\u0666",
        "+12065550100\n",
        "\uff0b12065550100",
        "tel:+12065550100",
    ],
)
def test_bad_phone_number(phone: str) -> None:
    """Digits of other scripts, separators and a 16th digit are refused without showing the number."""
    told = problem(phone_number=phone)
    assert told == "phone_number: must be E.164, '+', country code and number, at most 15 digits"


@pytest.mark.parametrize("campaign_id", ["c", "c" * 256, "...", ".a", "a/b", "a.b", "\u00e4"])
def test_good_campaign_id(campaign_id: str) -> None:
    """A campaign id is up to 256 characters of any kind but white space."""
    assert problem(campaign_id=campaign_id) is None


@pytest.mark.parametrize(
    ("campaign_id", "told"),
    [
        ("", "campaign_id: required"),
        (".", "campaign_id: must not be '.' or '..'"),
        ("..", "campaign_id: must not be '.' or '..'"),
        ("c" * 257, "campaign_id: at most 256 characters, no white space"),
        ("a b", "campaign_id: at most 256 characters, no white space"),
        ("a\n", "campaign_id: at most 256 characters, no white space"),
        ("a\u2003b", "campaign_id: at most 256 characters, no white space"),
    ],
)
def test_bad_campaign_id(campaign_id: str, told: str) -> None:
    """An empty campaign id, one that changes the address of the call, white space: refused."""
    assert problem(campaign_id=campaign_id) == told


@pytest.mark.parametrize(("field", "empty"), [("client_token", ""), ("phone_number", "")])
def test_required_fields(field: str, empty: str) -> None:
    """An empty field is called required."""
    assert problem(**{field: empty}) == f"{field}: required"


def test_expiration_is_required() -> None:
    """A dial request without an expiration is refused."""
    told = problem(expiration=None)
    assert told == "expiration_time: required, a time in the years 1970 to 9999"


@pytest.mark.parametrize(
    ("expires_at", "good"), [(NOW - 1.0, False), (NOW, False), (NOW + 1e-6, True), (NOW + 1e9, True)]
)
def test_expiration_in_the_future(expires_at: float, good: bool) -> None:
    """The expiration must be later than `now`, by any amount."""
    told = is_past(dataclasses.replace(dial(), expiration=expires_at), NOW)
    assert told == (None if good else "expiration_time: must be in the future")


@pytest.mark.parametrize(
    "attributes", [{}, {"a": ""}, {"A-z_0": "\u00e4 \n"}, {"k" * 32_767: "v" * 32_767}, {"a": "1", "b": "2"}]
)
def test_good_attributes(attributes: dict[str, str]) -> None:
    """There may be no attributes, empty values and any characters in a value."""
    assert problem(attributes=attributes) is None


@pytest.mark.parametrize("key", ["", "a b", "a.b", "\u00e4", "a\n", "k" * 32_768])
def test_bad_attribute_key(key: str) -> None:
    """A key of length 0 or above the limit, or with other characters, is refused."""
    told = problem(attributes={"good": "1", key: "2"})
    assert told == "attributes: a key must be 1 to 32,767 of a-z, A-Z, 0-9, '-', '_'"


def test_long_attribute_value() -> None:
    """A value above the limit is refused."""
    told = problem(attributes={"a": "v" * 32_768})
    assert told == "attributes: a value must be at most 32,767 characters"


def test_first_problem_is_told() -> None:
    """Of several problems the first field of the contract is named."""
    everything = problem(campaign_id="", client_token="", phone_number="", expiration=None)
    assert everything == "campaign_id: required"
    assert problem(client_token="", phone_number="") == "client_token: required"


@pytest.mark.parametrize(
    "campaign_id", ["c", "c" * 256, "a/b", "a:b-C9", "/", "00000000-0000-0000-0000-000000000000"]
)
def test_good_campaign_id_of_v2(campaign_id: str) -> None:
    """A campaign id of V2 has 1 to 256 characters of a small set; V1 takes all of these too."""
    assert problem_with_campaign_of_v2(campaign_id) is None
    assert problem_with_campaign(campaign_id) is None


@pytest.mark.parametrize(
    "campaign_id", ["c" * 257, "a_b", "a.b", ".", "..", "\u00e4", "a b", "a\n", "\u0661", "%2F"]
)
def test_bad_campaign_id_of_v2(campaign_id: str) -> None:
    """Any other character is refused with the rule, also one that V1 takes."""
    told = problem_with_campaign_of_v2(campaign_id)
    assert told == "campaign_id: 1 to 256 of a-z, A-Z, 0-9, '-', ':', '/'"


def test_no_campaign_id_of_v2() -> None:
    """An empty campaign id is missing in both APIs."""
    assert problem_with_campaign_of_v2("") == problem_with_campaign("") == "campaign_id: required"
