"""Conversion of dial requests and answers between the messages of the contract and the values of the core."""

import sys

import pytest
from google.protobuf.duration_pb2 import Duration

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire import dial_requests
from gateway.core.attributes import unpacked
from gateway.core.intake.validation import problem_with
from gateway.core.model import (
    Answer,
    CampaignNotice,
    DialRequest,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    RetryAdvice,
    Settled,
    Source,
    Waiter,
    addressed,
)


def settled(answer: Answer, *, campaign: str = "c", index: int = 0) -> Settled:
    request = DialRequest(campaign, f"t-{index}", "+12065550123", {}, 0.0, 0)
    return addressed(Waiter(Source(), index, "request-trace"), request, answer)


@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        (Outcome, "OUTCOME_"),
        (Reason, "REASON_"),
        (RetryAdvice, "RETRY_ADVICE_"),
        (NoticeKind, "NOTICE_KIND_"),
    ],
)
def test_numbers_are_those_of_the_contract(
    words: type[Outcome | Reason | RetryAdvice | NoticeKind], prefix: str
) -> None:
    """Each enum of the core has the same numbers as the enum of the contract, and no others."""
    contract = {value.name: value.number for value in pb.DESCRIPTOR.enum_types_by_name[words.__name__].values}
    contract.pop(f"{prefix}UNSPECIFIED")
    assert {f"{prefix}{word.name}": word.value for word in words if word.value} == contract


def test_a_request_is_read() -> None:
    """Every field of a request arrives."""
    message = pb.DialRequest(client_token="t", phone_number="+12065550123", attributes={"k": "v"})
    message.expiration_time.seconds, message.expiration_time.nanos = 1_700_000_060, 500_000_000
    request = dial_requests.dial_request("c", message)
    assert (request.campaign_id, request.client_token, request.phone_number) == ("c", "t", "+12065550123")
    assert unpacked(request.attributes) == {"k": "v"}
    assert request.expiration == 1_700_000_060.5
    assert not request.in_doubt
    message.in_doubt = True
    assert dial_requests.dial_request("c", message).in_doubt


def test_valid_attributes_are_packed() -> None:
    """Valid attributes become one text, the same in whatever order they came, and read as they were sent."""
    given = {"reason": "due \u00e4", "amount": "12.50", "empty": ""}
    message = pb.DialRequest(attributes=given)
    turned = pb.DialRequest(attributes=dict(reversed(given.items())))
    read, same = (dial_requests.dial_request("c", each).attributes for each in (message, turned))

    assert isinstance(read, bytes)
    assert unpacked(read) == given
    assert read == same


def test_invalid_attributes_are_refused_with_their_problem() -> None:
    """Attributes that break a rule are not packed, so the core names the rule."""
    message = pb.DialRequest(client_token="t", phone_number="+12065550123", attributes={"a key": "v"})
    message.expiration_time.seconds = 9
    request = dial_requests.dial_request("c", message)

    assert not isinstance(request.attributes, bytes)
    assert "attributes: a key must be" in (problem_with(request) or "")


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (-1, 0),
        (253_402_300_800, 0),
        (253_402_300_799, 999_999_999),
        (2**62, 0),
        (-(2**62), 0),
        (1, -1),
        (1, 1_000_000_000),
        (1, -(2**31)),
    ],
)
def test_an_invalid_timestamp_is_no_expiration(seconds: int, nanos: int) -> None:
    """A timestamp that protobuf calls illegal, or that rounds up to the year 10000, is no expiration."""
    message = pb.DialRequest()
    message.expiration_time.seconds, message.expiration_time.nanos = seconds, nanos
    assert dial_requests.dial_request("c", message).expiration is None


def test_a_time_that_is_missing() -> None:
    """A missing timestamp is no expiration; the first second of 1970 is one, though past."""
    message = pb.DialRequest()
    assert dial_requests.dial_request("c", message).expiration is None
    message.expiration_time.seconds = 0
    message.expiration_time.SetInParent()
    request = dial_requests.dial_request("c", message)
    assert request.expiration == 0.0


def result_of(answer: Settled) -> pb.DialResult:
    """Return the message of one answer."""
    response = pb.PutDialRequestsResponse()
    dial_requests.add_result(response.results, answer)
    return response.results[0]


def test_a_result_is_written() -> None:
    """Every part of an answer arrives in its message."""
    answer = Answer(
        Outcome.NOT_ACCEPTED,
        Reason.ACCESS_DENIED,
        RetryAdvice.SAME_TOKEN,
        "words",
        retry_after_s=30.25,
        attempts=2,
        trace_id="call-trace",
    )
    assert result_of(settled(answer, index=7)) == pb.DialResult(
        client_token="t-7",
        index=7,
        outcome=pb.OUTCOME_NOT_ACCEPTED,
        reason=pb.REASON_ACCESS_DENIED,
        detail="words",
        retry_advice=pb.RETRY_ADVICE_SAME_TOKEN,
        retry_after=Duration(seconds=30, nanos=250_000_000),
        attempts=2,
        trace_id="call-trace",
    )


def test_what_an_answer_leaves_out() -> None:
    """An answer without a call names the request's trace, and has no retry time if that is unknown."""
    result = result_of(settled(Answer(Outcome.ACCEPTED, dial_request_id="id", replayed=True)))
    assert (result.trace_id, result.dial_request_id, result.replayed) == ("request-trace", "id", True)
    assert not result.HasField("retry_after")


def test_answers_are_grouped_by_campaign() -> None:
    """Answers share messages by campaign, in the order in which they came."""
    accepted = Answer(Outcome.ACCEPTED)
    answers = [settled(accepted, campaign=campaign, index=n) for n, campaign in enumerate("abacb")]
    grouped = {
        message.campaign_id: [result.index for result in message.results]
        for message in dial_requests.responses(answers)
    }
    assert grouped == {"a": [0, 2], "b": [1, 4], "c": [3]}
    assert dial_requests.responses([]) == []


def test_the_notice_of_draining() -> None:
    """The notice DRAINING is about the whole gateway and carries no result."""
    message = dial_requests.notice("", dial_requests.DRAINING)
    assert not message.notice.HasField("retry_after")
    assert "on a new stream" in message.notice.detail
    assert (message.notice.kind, message.campaign_id, len(message.results)) == (
        pb.NOTICE_KIND_DRAINING,
        "",
        0,
    )


def test_a_notice_about_a_campaign() -> None:
    """A notice names the campaign, the kind, and the duration if it is known."""
    told = CampaignNotice(NoticeKind.CAMPAIGN_COOLING, 1.5, "words")
    assert dial_requests.notice("c", told) == pb.StreamDialRequestsResponse(
        campaign_id="c",
        notice=pb.Notice(
            kind=pb.NOTICE_KIND_CAMPAIGN_COOLING,
            retry_after=Duration(seconds=1, nanos=500_000_000),
            detail="words",
        ),
    )


@pytest.mark.parametrize(
    ("number", "priority"),
    [
        (pb.PRIORITY_UNSPECIFIED, Priority.NORMAL),
        (pb.PRIORITY_NORMAL, Priority.NORMAL),
        (pb.PRIORITY_HIGH, Priority.HIGH),
        (pb.PRIORITY_BULK, Priority.BULK),
        (4, Priority.NORMAL),
        (-1, Priority.NORMAL),
    ],
)
def test_the_priority_of_a_message(number: int, priority: Priority) -> None:
    """A priority is read by its number. An unset or unknown one is NORMAL."""
    assert dial_requests.priority(number) is priority


def test_text_counts_as_it_is_kept() -> None:
    """Text counts with its size in memory, which is that on the wire, or more if characters are escaped."""
    for value in ("v" * 10_000, "v" * 9_999 + "\N{GRINNING FACE}", "\x01" * 10_000):
        message = pb.DialRequest(client_token="t", attributes={"k": value})
        request = dial_requests.dial_request("c", message)
        assert isinstance(request.attributes, bytes)
        kept = sys.getsizeof(request.attributes)
        assert kept <= request.size_bytes < kept + 150
