"""Values, errors, the wire between them and protobuf, and the window's bookkeeping: no sockets."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest

from dialgateway import (
    AccessDenied,
    DialRequest,
    DialResult,
    GatewayUnavailable,
    NoticeKind,
    Outcome,
    Priority,
    ProtocolError,
    Reason,
    RetryAdvice,
    StreamBroken,
    _wire,
    new_client_token,
)
from dialgateway._window import Window
from dialgateway.errors import from_status
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, SECRET, request

NOON = datetime(2030, 1, 2, 12, 0, 0, 250_000, tzinfo=UTC)


class TestDialRequest:
    def test_repr_shows_neither_phone_number_nor_attributes(self) -> None:
        """A request's repr names its token and hides whom to dial."""
        shown = repr(request("t-1"))
        assert "t-1" in shown
        assert PHONE not in shown
        assert SECRET not in shown

    def test_a_naive_expiration_is_refused(self) -> None:
        """A time without a zone is a ValueError."""
        with pytest.raises(ValueError, match="time zone"):
            DialRequest("t", PHONE, datetime(2030, 1, 1))  # noqa: DTZ001

    def test_attributes_are_copied(self) -> None:
        """A mapping that the caller changes afterwards does not change the request."""
        attributes = {"a": "1"}
        made = DialRequest("t", PHONE, NOON, attributes)
        attributes["a"] = "2"
        assert made.attributes == {"a": "1"}

    def test_it_is_a_value(self) -> None:
        """Requests compare, hash, copy and pickle like values."""
        made = DialRequest("t", PHONE, NOON, {"a": "1"})
        assert made == copy.deepcopy(made) == pickle.loads(pickle.dumps(made))  # noqa: S301
        assert len({made, copy.copy(made)}) == 1

    @pytest.mark.parametrize("phone", ["\ud800" + PHONE, 12025550123])
    def test_what_cannot_be_sent_is_refused_without_naming_it(self, phone: str) -> None:
        """Text that is no Unicode, and what is no text, raise errors that do not hold the value."""
        with pytest.raises((TypeError, ValueError), match="phone_number") as caught:
            DialRequest("t", phone, NOON)
        assert "2025550123" not in repr(caught.value)
        assert caught.value.__cause__ is None


def test_tokens_are_new_and_legal() -> None:
    """Each new token differs and keeps to the characters of the contract."""
    tokens = {new_client_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(set(token) <= set("0123456789abcdef-") for token in tokens)


class TestWire:
    def test_a_request_arrives_as_it_was(self) -> None:
        """Every field of a request is in the message, the time to the microsecond and in UTC."""
        made = DialRequest("t", PHONE, NOON.astimezone(timezone(timedelta(hours=5))), {"a": "1"}, "00-tp")
        (message,) = _wire.stream_messages("c", [made], Priority.BULK)
        (sent,) = message.dial_requests
        assert (message.campaign_id, message.priority) == ("c", pb.PRIORITY_BULK)
        assert (sent.client_token, sent.phone_number, sent.traceparent) == ("t", PHONE, "00-tp")
        assert dict(sent.attributes) == {"a": "1"}
        assert sent.expiration_time.ToDatetime(UTC) == NOON

    def test_a_time_before_the_epoch_is_a_legal_timestamp(self) -> None:
        """Nanos stay positive before 1970."""
        made = DialRequest("t", PHONE, datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC))
        (sent,) = _wire.put_message("c", [made], Priority.NORMAL).dial_requests
        assert (sent.expiration_time.seconds, sent.expiration_time.nanos) == (-1, 500_000_000)

    def test_every_field_of_a_result_is_read(self) -> None:
        """A result of the wire becomes a value with the same content."""
        message = pb.DialResult(
            client_token="t",
            index=3,
            outcome=pb.OUTCOME_NOT_ACCEPTED,
            reason=pb.REASON_DRAINING,
            detail="d",
            retry_advice=pb.RETRY_ADVICE_SAME_TOKEN,
            attempts=2,
            replayed=True,
            trace_id="ab",
        )
        message.retry_after.FromMilliseconds(1250)
        assert _wire.results([message]) == [
            DialResult(
                "t",
                3,
                Outcome.NOT_ACCEPTED,
                "",
                Reason.DRAINING,
                "d",
                RetryAdvice.SAME_TOKEN,
                timedelta(seconds=1.25),
                2,
                True,
                "ab",
            )
        ]

    @pytest.mark.parametrize(
        ("wire", "ours", "prefix"),
        [
            (pb.Outcome, Outcome, "OUTCOME_"),
            (pb.Reason, Reason, "REASON_"),
            (pb.RetryAdvice, RetryAdvice, "RETRY_ADVICE_"),
            (pb.Priority, Priority, "PRIORITY_"),
            (pb.NoticeKind, NoticeKind, "NOTICE_KIND_"),
        ],
    )
    def test_every_name_of_the_contract_is_known(
        self,
        wire: _wire._WireEnum,
        ours: type[Outcome | Reason | RetryAdvice | Priority | NoticeKind],
        prefix: str,
    ) -> None:
        """No value of the contract was forgotten, except an UNSPECIFIED that is never to be seen."""
        names = {name.removeprefix(prefix) for name, _ in wire.items()} - {"UNSPECIFIED"}
        assert names == {value.name for value in ours} - {"UNSPECIFIED"}


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (grpc.StatusCode.UNAVAILABLE, GatewayUnavailable),
            (grpc.StatusCode.PERMISSION_DENIED, AccessDenied),
            (grpc.StatusCode.INTERNAL, StreamBroken),
        ],
    )
    def test_a_status_becomes_its_error(self, code: grpc.StatusCode, kind: type[Exception]) -> None:
        """Each status is raised as the error that tells what to do about it."""
        error = from_status(code, None, ["a", "b"])
        assert type(error) is kind
        assert error.unanswered == ("a", "b")
        assert str(error) == f"{code.name}: no details (unanswered dial requests: 2)"


def _state(window: Window) -> str:
    return ", ".join(["send"] * window.may_send + ["take"] * window.may_take)


class TestWindow:
    def test_it_fills_to_its_size_and_no_further(self) -> None:
        """A window of unanswered requests ends the reading, an answer lets it go on."""
        window = Window(3, 10)
        for token in "abc":
            assert "take" in _state(window)
            window.take(request(token))
        assert _state(window) == "send"
        assert [sent.client_token for sent in window.next_chunk()] == ["a", "b", "c"]
        assert _state(window) == ""
        window.settle([DialResult("b", 1, Outcome.ACCEPTED)])
        assert _state(window) == "take"
        assert window.unanswered == ("a", "c")

    def test_a_full_chunk_is_sent_before_more_is_read(self) -> None:
        """Reading pauses at a full chunk, so that the source never runs ahead of the sending."""
        window = Window(100, 2)
        window.take(request("a"))
        assert _state(window) == "send, take"
        window.take(request("b"))
        assert _state(window) == "send"
        assert len(window.next_chunk()) == 2
        assert _state(window) == "take"
        assert window.next_chunk() == []

    def test_it_is_finished_when_the_source_ended_and_all_is_answered(self) -> None:
        """Neither the end of the source nor the last answer alone finishes a stream."""
        window = Window(2, 2)
        window.take(request("a"))
        window.end_source()
        assert not window.finished
        window.settle([DialResult("a", 0, Outcome.REJECTED)])
        assert window.finished

    def test_equal_tokens_have_their_own_answers(self) -> None:
        """An answer settles its index and leaves the other request with that token open."""
        window = Window(9, 9)
        window.take(request("same"))
        window.take(request("same"))
        window.settle([DialResult("same", 1, Outcome.ACCEPTED)])
        assert len(window.unanswered) == 1
        with pytest.raises(ProtocolError):
            window.settle([DialResult("same", 1, Outcome.ACCEPTED)])
        window.settle([DialResult("same", 0, Outcome.ACCEPTED)])
        assert not window.unanswered
