"""The channels of the Python client: what is sent, what is refused, and what their repr shows."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialgateway import (
    AnswerMachineDetection,
    Channel,
    DialRequest,
    Email,
    Priority,
    Sms,
    Telephony,
    WhatsApp,
    _wire,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
ARN = "arn:aws:connect:us-east-1:111122223333:instance/i/phone-number/p"
ADDRESS = "ada@example.com"

CHANNELS: list[Channel] = [
    Telephony(),
    Telephony("+12065550199", timedelta(seconds=30), AnswerMachineDetection()),
    Telephony(answer_machine_detection=AnswerMachineDetection(enabled=False, await_prompt=True)),
    Sms(),
    Sms(ARN, ARN),
    WhatsApp(template_arn=ARN),
    Email(ADDRESS),
    Email("ü" * 10_000, ADDRESS, ARN),
]


def made(channel: Any) -> DialRequest:
    """Make a dial request with a channel."""
    return DialRequest("t", PHONE, NOON, channel=channel)


def sent(channel: Channel) -> pb.DialRequest:
    """Return the message of a dial request with a channel."""
    raw = _wire.stream_message("c", [made(channel)], Priority.NORMAL).SerializeToString()
    return pb.StreamDialRequestsRequest.FromString(raw).dial_requests[0]


def test_every_field_of_a_call_is_sent() -> None:
    """Source, ring timeout and detection of a call arrive."""
    detection = AnswerMachineDetection(enabled=True, await_prompt=False)
    message = sent(Telephony("+12065550199", timedelta(seconds=30), detection))
    assert message.telephony.source_phone_number == "+12065550199"
    assert message.telephony.ring_timeout.seconds == 30
    assert message.telephony.answer_machine_detection == pb.AnswerMachineDetection(
        enabled=True, await_prompt=False
    )


def test_every_field_of_a_message_is_sent() -> None:
    """Source and template of each kind of message arrive, and the address of an e-mail."""
    assert sent(Sms("arn:1", "arn:2")).sms == pb.Sms(source_phone_number_arn="arn:1", template_arn="arn:2")
    whats_app = pb.WhatsApp(source_phone_number_arn="arn:1", template_arn="arn:2")
    assert sent(WhatsApp("arn:1", "arn:2")).whats_app == whats_app
    email = pb.Email(destination_address=ADDRESS, source_address="b@c.de", template_arn="arn:2")
    assert sent(Email(ADDRESS, "b@c.de", "arn:2")).email == email


@pytest.mark.parametrize(
    ("channel", "name"),
    [(Telephony(), "telephony"), (Sms(), "sms"), (WhatsApp(), "whats_app"), (Email(""), "email")],
)
def test_a_channel_that_sets_nothing_is_sent(channel: Channel, name: str) -> None:
    """The kind of a channel arrives, also if it sets no field; optional fields stay unset."""
    message = sent(channel)
    assert message.WhichOneof("channel") == name
    assert getattr(message, name).ByteSize() == 0


def test_a_request_without_a_channel_is_sent_as_before() -> None:
    """Without a channel the message has no field for it."""
    message = _wire.stream_message("c", [made(None)], Priority.NORMAL).dial_requests[0]
    assert message.WhichOneof("channel") is None


@pytest.mark.parametrize("channel", CHANNELS)
def test_channels_are_values(channel: Channel) -> None:
    """Requests with channels can be compared, hashed, copied and pickled, and their size has a bound."""
    request = made(channel)
    assert request == copy.deepcopy(request) == pickle.loads(pickle.dumps(request))  # noqa: S301
    assert len({request, copy.copy(request), made(None)}) == 2
    assert _wire.size_of(request) <= request.max_bytes


@pytest.mark.parametrize("channel", CHANNELS)
def test_repr_shows_no_field(channel: Channel) -> None:
    """Neither the repr of a channel nor that of its request shows a field."""
    assert repr(channel) == f"{type(channel).__name__}()"
    for field in fields(channel):
        value = getattr(channel, field.name)
        assert not isinstance(value, str) or value not in repr(made(channel))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Telephony(12065550199), "source_phone_number"),  # type: ignore[arg-type]
        (lambda: Telephony(ring_timeout=30), "ring_timeout"),  # type: ignore[arg-type]
        (lambda: Telephony(answer_machine_detection=True), "answer_machine_detection"),  # type: ignore[arg-type]
        (lambda: Sms("\ud800"), "source_phone_number_arn"),
        (lambda: WhatsApp(template_arn=b"arn"), "template_arn"),  # type: ignore[arg-type]
        (lambda: Email(None), "destination_address"),  # type: ignore[arg-type]
        (lambda: Email("ada\udfff@example.com"), "destination_address"),
        (lambda: made(pb.Sms()), "channel"),
        (lambda: made("sms"), "channel"),
    ],
)
def test_what_cannot_be_sent_is_refused(make: Any, name: str) -> None:
    """Other types, and text that is no valid Unicode, raise an error with the name and without the value."""
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        make()
    assert "2065550199" not in str(caught.value)
    assert "example" not in str(caught.value)
