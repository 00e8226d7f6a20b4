"""Values, errors and their conversion from and to protobuf, without sockets."""

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
    Reason,
    RetryAdvice,
    StreamBroken,
    _wire,
    new_client_token,
)
from dialgateway.errors import from_status
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, SECRET, request

NOON = datetime(2030, 1, 2, 12, 0, 0, 250_000, tzinfo=UTC)


class TestDialRequest:
    def test_repr_shows_neither_phone_number_nor_attributes(self) -> None:
        """A request's repr has its token only."""
        shown = repr(request("t-1"))
        assert "t-1" in shown
        assert PHONE not in shown
        assert SECRET not in shown

    def test_a_naive_expiration_is_refused(self) -> None:
        """A time without a time zone raises ValueError."""
        with pytest.raises(ValueError, match="time zone"):
            DialRequest("t", PHONE, datetime(2030, 1, 1))  # noqa: DTZ001

    def test_attributes_are_copied(self) -> None:
        """A later change of the caller's mapping does not change the request."""
        attributes = {"a": "1"}
        made = DialRequest("t", PHONE, NOON, attributes)
        attributes["a"] = "2"
        assert made.attributes == {"a": "1"}

    def test_requests_are_values(self) -> None:
        """They can be compared, hashed, copied and pickled."""
        made = DialRequest("t", PHONE, NOON, {"a": "1"})
        assert made == copy.deepcopy(made) == pickle.loads(pickle.dumps(made))  # noqa: S301
        assert len({made, copy.copy(made)}) == 1

    @pytest.mark.parametrize("phone", ["\ud800" + PHONE, 12025550123])
    def test_a_value_that_cannot_be_sent_is_refused_without_showing_it(self, phone: str) -> None:
        """Invalid Unicode, and other types than text, raise errors without the value."""
        with pytest.raises((TypeError, ValueError), match="phone_number") as caught:
            DialRequest("t", phone, NOON)
        assert "2025550123" not in repr(caught.value)
        assert caught.value.__cause__ is None


def test_new_tokens_are_unique_and_valid() -> None:
    """Each token differs and has only characters of the contract."""
    tokens = {new_client_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(set(token) <= set("0123456789abcdef-") for token in tokens)


class TestWire:
    def test_a_request_is_converted_with_all_fields(self) -> None:
        """Every field is in the message, the time to the microsecond and in UTC."""
        made = DialRequest("t", PHONE, NOON.astimezone(timezone(timedelta(hours=5))), {"a": "1"}, "00-tp")
        message = _wire.stream_message("c", [made], Priority.BULK)
        (sent,) = message.dial_requests
        assert (message.campaign_id, message.priority) == ("c", pb.PRIORITY_BULK)
        assert (sent.client_token, sent.phone_number, sent.traceparent) == ("t", PHONE, "00-tp")
        assert dict(sent.attributes) == {"a": "1"}
        assert sent.expiration_time.ToDatetime(UTC) == NOON

    def test_a_time_before_1970_is_a_valid_timestamp(self) -> None:
        """Its nanoseconds are positive."""
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
        """Every enum value of the contract has a name here, except UNSPECIFIED where it never occurs."""
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
        """Each gRPC status raises the error for it."""
        error = from_status(code, None, ["a", "b"])
        assert type(error) is kind
        assert error.unanswered == ("a", "b")
        assert str(error) == f"{code.name}: no details (unanswered dial requests: 2)"

    @pytest.mark.parametrize(
        ("details", "words"),
        [
            (
                "last error: UNKNOWN: ipv4:127.0.0.1:1: Tls handshake failed (TSI_PROTOCOL_FAILURE):"
                " SSL_ERROR_SSL: error:1:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
                "the gateway's port speaks without TLS, and this client with TLS",
            ),
            (
                "failed to connect to all addresses; last error: UNAVAILABLE: Socket closed",
                "its port may expect TLS",
            ),
            ("last error: UNKNOWN: Tls handshake failed: CERTIFICATE_VERIFY_FAILED", "not of the authority"),
        ],
    )
    def test_a_client_and_a_port_that_differ_in_tls_are_explained(self, details: str, words: str) -> None:
        """The error keeps what gRPC says, and says what it means."""
        said = str(from_status(grpc.StatusCode.UNAVAILABLE, details))
        assert said.startswith(f"UNAVAILABLE: {details} (")
        assert words in said
        assert str(from_status(grpc.StatusCode.UNAVAILABLE, "Socket closed")) == "UNAVAILABLE: Socket closed"
