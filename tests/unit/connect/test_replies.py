"""Replies of Connect that are not as its model says: nothing breaks, and no item is lost."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.connect import replies
from gateway.connect.api_versions import APIS, ConnectApi
from gateway.connect.replies import CODES_LOGGED, UNKNOWN_STATE, UNREADABLE, states, word
from gateway.core.model import ItemFailure
from tests.cases import cases

API = APIS["v1"]
ODD: list[Any] = [None, 7, 7.5, True, [], ["a"], {}, {"a": 1}, "\ud800", "a\nb", "x" * 10_000, b"x"]
ASKED = {"a", "b"}


@pytest.fixture(autouse=True)
def nothing_logged() -> Iterator[None]:
    replies._logged.clear()
    yield
    replies._logged.clear()


def success(**members: Any) -> Any:
    return {"successfulRequests": [{"clientToken": "a", "id": "id-a"} | members], "ResponseMetadata": {}}


def failure(*entries: Any) -> Any:
    return {"failedRequests": list(entries), "ResponseMetadata": {}}


@pytest.mark.parametrize("id_", ODD, ids=repr)
def test_an_unreadable_id_leaves_doubt(id_: Any) -> None:
    """A success whose id cannot be read leaves its item in doubt: it is in neither list."""
    response = success(id=id_) | failure({"clientToken": "a", "failureCode": "InvalidInput"})
    reply = API.reply(response, ASKED)
    assert (reply.accepted, reply.failed) == ({}, {})


@pytest.mark.parametrize("id_", ["", "x", "0-a_b.c", "x" * 256, "arn:aws:x/y"])
def test_an_id_of_visible_ascii(id_: str) -> None:
    """An id of visible ASCII is passed on, even if it does not have the form of today's ids."""
    assert API.reply(success(id=id_), ASKED).accepted == {"a": id_}


@pytest.mark.parametrize("token", [*ODD, "c"], ids=repr)
def test_a_token_that_nobody_asked_about(token: Any) -> None:
    """An entry for an item that was not in the call is ignored."""
    response = success(clientToken=token) | failure({"clientToken": token, "failureCode": "InvalidInput"})
    reply = API.reply(response, ASKED)
    assert (reply.accepted, reply.failed) == ({}, {})


@pytest.mark.parametrize("entries", [*ODD, [None], [[]], [7], [{}], "a"], ids=repr)
def test_lists_of_a_wrong_type_are_ignored(entries: Any) -> None:
    """Lists and entries of a wrong type are ignored; the rest of the reply counts."""
    response = success() | {"failedRequests": entries}
    assert API.reply(response, ASKED).accepted == {"a": "id-a"}
    assert API.reply({"successfulRequests": entries, "failedRequests": entries}, ASKED).accepted == {}


@pytest.mark.parametrize("response", ODD, ids=repr)
def test_an_invalid_reply_is_ignored(response: Any) -> None:
    """A reply that is not a structure, or has invalid metadata, is ignored."""
    assert API.reply(response, ASKED).accepted == {}
    assert API.reply({"ResponseMetadata": response}, ASKED).request_id == ""
    assert states(response, ASKED) == {}


def test_the_same_token_twice() -> None:
    """Of two ids for one token the first counts; two codes that differ are no clear answer."""
    twice = {"successfulRequests": [{"clientToken": "a", "id": id_} for id_ in ("first", "second")]}
    assert API.reply(twice, ASKED).accepted == {"a": "first"}
    codes = [{"clientToken": "b", "failureCode": code} for code in ("InvalidInput", "RequestThrottled")]
    assert API.reply(failure(*codes), ASKED).failed == {"b": ItemFailure.UNKNOWN_ERROR}


def test_an_item_in_both_lists() -> None:
    """An item in both lists is accepted, and says nothing about room or rate."""
    response = success() | failure({"clientToken": "a", "failureCode": "RequestThrottled"})
    reply = API.reply(response, ASKED)
    assert (reply.accepted, reply.failed) == ({"a": "id-a"}, {})


@pytest.mark.parametrize("code", [*ODD, "+12065550100", "Ada Lovelace", "x" * 33], ids=repr)
def test_an_invalid_code_is_an_unknown_error(code: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A code that is not a word counts as UnknownError; the log does not contain Connect's text."""
    reply = API.reply(failure({"clientToken": "a", "failureCode": code}), ASKED)
    assert reply.failed == {"a": ItemFailure.UNKNOWN_ERROR}
    (line,) = caplog.messages
    assert line.endswith(f": {UNREADABLE}")


def test_codes_without_end(caplog: pytest.LogCaptureFixture) -> None:
    """New codes are logged once each, and only so many in the life of a process."""
    for number in range(10 * CODES_LOGGED):
        code = "New" + "".join(chr(97 + int(digit)) for digit in str(number))
        for _ in range(2):
            API.reply(failure({"clientToken": "a", "failureCode": code}), ASKED)
    assert len(caplog.messages) == CODES_LOGGED


def test_lists_without_end() -> None:
    """The number of entries that are read is limited, since a call asks about few."""
    entries = [{"clientToken": "b", "id": "x"}] * 1_000_000 + [{"clientToken": "a", "id": "id-a"}]
    assert API.reply({"successfulRequests": entries}, ASKED).accepted == {"b": "x"}


@pytest.mark.parametrize("id_", [*ODD, "a b", "x" * 129], ids=repr)
def test_an_invalid_request_id_is_left_out(id_: Any) -> None:
    """A request id that is not of a request id's form is left out: it goes into spans."""
    assert API.reply(success() | {"ResponseMetadata": {"RequestId": id_}}, ASKED).request_id == ""


@pytest.mark.parametrize("state", [*ODD, "x" * 33], ids=repr)
def test_an_invalid_state_is_left_out(state: Any) -> None:
    """A state that is not a text is left out, and one that is not a word is logged."""
    told = states({"successfulRequests": [{"campaignId": "a", "state": state}]}, ASKED)
    assert told == ({"a": UNKNOWN_STATE} if isinstance(state, str) else {})
    assert word(state) == UNREADABLE


def test_states_of_others() -> None:
    """States of campaigns that were not asked about are ignored."""
    told = {"successfulRequests": [{"campaignId": name, "state": "Running"} for name in ("a", "x")]}
    missing = {"failedRequests": [{"campaignId": ["b"], "failureCode": "ResourceNotFound"}]}
    assert states(told | missing, ASKED) == {"a": "Running"}


names = st.sampled_from(
    [
        "successfulRequests",
        "failedRequests",
        "clientToken",
        "id",
        "failureCode",
        "campaignId",
        "state",
        "ResponseMetadata",
        "RequestId",
    ]
)
texts = st.text(st.characters()) | st.sampled_from(["a", "b"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=cases(10, 50), suppress_health_check=[HealthCheck.too_slow])
@given(response=st.dictionaries(names, anything | st.lists(st.dictionaries(names, anything))))
@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_any_reply(api: ConnectApi, response: Any) -> None:
    """For any reply, the result is about requested tokens only, in texts that UTF-8 can encode."""
    logging.disable(logging.WARNING)
    reply = api.reply(response, ASKED)
    logging.disable(logging.NOTSET)
    told = states(response, ASKED)
    assert reply.accepted.keys() | reply.failed.keys() | told.keys() <= ASKED
    for text in (*reply.accepted.values(), *told.values(), reply.request_id):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= 256
