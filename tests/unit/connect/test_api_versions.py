"""The differences between the versions of Connect's API, without a socket."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from gateway.connect import api_versions, replies
from gateway.connect.api_versions import APIS, ApiName, ConnectApi, expiration_for_boto3
from gateway.connect.replies import states
from gateway.core.model import DialRequest, ItemFailure

PHONE = "+12065550188"
NOON = "2026-01-01T00:00:00.500000+00:00"


@pytest.fixture(autouse=True)
def nothing_told() -> Iterator[None]:
    replies._logged.clear()
    yield
    replies._logged.clear()


def item(api: ApiName) -> Any:
    request = DialRequest("c", "t", PHONE, {"k": "v"}, 1_767_225_600.5, 10)
    made: Any = APIS[api].item(request, expiration_for_boto3(request), request.attributes)
    return {**made, "expirationTime": made["expirationTime"].isoformat()}


def test_an_item_of_v1() -> None:
    """An item has the four members of V1's model, its expiration as a time with a zone."""
    expected = {"clientToken": "t", "phoneNumber": PHONE, "attributes": {"k": "v"}, "expirationTime": NOON}
    assert item("v1") == expected


def test_an_item_of_v2() -> None:
    """An item of V2 has phone number and attributes under telephony, the only channel of a dial."""
    telephony = {"destinationPhoneNumber": PHONE, "attributes": {"k": "v"}}
    assert item("v2") == {
        "clientToken": "t",
        "expirationTime": NOON,
        "channelSubtypeParameters": {"telephony": telephony},
    }


@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_the_names_are_those_of_the_model(api: ConnectApi) -> None:
    """Operation, list and failure codes are exactly those of botocore's model."""
    model = botocore.session.get_session().get_service_model(api.service)
    shape: Any = model.operation_model(api.put_operation).input_shape
    assert set(shape.members) == {"id", api.items}
    codes: Any = model.shape_for("FailureCode")
    assert set(codes.enum) == set(api.failures)
    assert api_versions.STATES_OPERATION in model.operation_names


@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_an_answer_by_items(api: ConnectApi, caplog: pytest.LogCaptureFixture) -> None:
    """Items are matched by token. An unknown failure code counts as UnknownError, and is logged once."""
    codes = {"a": "InvalidInput", "c": "UnknownError", "d": "New", "e": "New"}
    reply = api.reply(
        {
            "successfulRequests": [{"clientToken": "x", "id": "id-x"}],
            "failedRequests": [{"clientToken": token, "failureCode": code} for token, code in codes.items()],
            "ResponseMetadata": {"RequestId": "r"},
        },
        "xabcde",
    )
    assert (reply.accepted, reply.request_id) == ({"x": "id-x"}, "r")
    unknown = dict.fromkeys("cde", ItemFailure.UNKNOWN_ERROR)
    assert reply.failed == {"a": ItemFailure.INVALID_INPUT} | unknown
    assert caplog.text.count("New") == 1


def test_the_same_word_means_two_things() -> None:
    """RequestThrottled is a campaign without room in V1, and too many calls in V2."""
    assert APIS["v1"].failures["RequestThrottled"] is ItemFailure.CAPACITY
    assert APIS["v2"].failures["RequestThrottled"] is ItemFailure.RATE
    assert APIS["v2"].failures["BufferLimitExceeded"] is ItemFailure.CAPACITY


@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_an_answer_without_lists(api: ConnectApi) -> None:
    """An answer without lists mentions no item."""
    reply = api.reply({"ResponseMetadata": {}}, {"a"})
    assert (reply.accepted, reply.failed, reply.request_id) == ({}, {}, "")


def test_states_of_campaigns() -> None:
    """States are Connect's names, a missing campaign is NotFound, and one without a state is left out."""
    answer = {
        "successfulRequests": [{"campaignId": "a", "state": "Running"}, {"campaignId": "b", "state": "Odd"}],
        "failedRequests": [
            {"campaignId": "c", "failureCode": "ResourceNotFound"},
            {"campaignId": "d", "failureCode": "UnknownError"},
            {"campaignId": "e", "failureCode": "New"},
            {"campaignId": "f"},
            {"campaignId": "a", "failureCode": "ResourceNotFound"},
        ],
    }
    assert states(answer, "abcdef") == {"a": "Running", "b": "Odd", "c": "NotFound"}
    assert states(answer, "b") == {"b": "Odd"}
    assert states({}, "a") == {}
