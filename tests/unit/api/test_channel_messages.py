"""Conversion of channels between the messages of the contract and the values of the core."""

import dataclasses
import sys
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire import channels, dial_requests
from gateway.core.channels import AnswerMachineDetection, Channel, Email, Sms, Telephony, WhatsApp
from gateway.core.model import DialRequest

ARN = "arn:aws:connect:us-east-1:111122223333:instance/i/phone-number/p"
TEMPLATE = "arn:aws:wisdom:us-east-1:111122223333:message-template/k/t"
ADDRESS = "ada@example.com"


def read(**fields: Any) -> DialRequest:
    """Return a dial request with these fields, as the core sees it."""
    message = pb.DialRequest(client_token="t", **fields)
    return dial_requests.dial_request("c", pb.DialRequest.FromString(message.SerializeToString()))


def detection(**fields: bool) -> pb.AnswerMachineDetection:
    return pb.AnswerMachineDetection(**fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"telephony": pb.Telephony()}, None),
        ({"telephony": pb.Telephony(source_phone_number="+1")}, Telephony("+1")),
        ({"telephony": pb.Telephony(ring_timeout=Duration(seconds=30))}, Telephony("", 30)),
        ({"telephony": pb.Telephony(ring_timeout=Duration())}, Telephony("", 0)),
        (
            {"telephony": pb.Telephony(answer_machine_detection=detection())},
            Telephony("", None, AnswerMachineDetection(None)),
        ),
        (
            {"telephony": pb.Telephony(answer_machine_detection=detection(enabled=False))},
            Telephony("", None, AnswerMachineDetection(enabled=False)),
        ),
        (
            {"telephony": pb.Telephony(answer_machine_detection=detection(enabled=True, await_prompt=False))},
            Telephony("", None, AnswerMachineDetection(enabled=True, await_prompt=False)),
        ),
        ({"sms": pb.Sms()}, Sms()),
        ({"sms": pb.Sms(source_phone_number_arn=ARN, template_arn=TEMPLATE)}, Sms(ARN, TEMPLATE)),
        ({"whats_app": pb.WhatsApp(source_phone_number_arn=ARN)}, WhatsApp(ARN)),
        ({"whats_app": pb.WhatsApp(template_arn=TEMPLATE)}, WhatsApp("", TEMPLATE)),
        ({"email": pb.Email()}, Email()),
        (
            {"email": pb.Email(destination_address=ADDRESS, source_address="b@c.de", template_arn=TEMPLATE)},
            Email(ADDRESS, "b@c.de", TEMPLATE),
        ),
    ],
)
def test_a_channel_is_read(fields: dict[str, Any], expected: Channel | None) -> None:
    """Every field of a channel arrives; a Telephony that sets nothing is no channel."""
    assert read(**fields).channel == expected


@pytest.mark.parametrize(
    "ring", [Duration(seconds=30, nanos=1), Duration(seconds=31, nanos=-1_000_000_000), Duration(nanos=-1)]
)
def test_a_ring_timeout_with_fractions_is_no_whole_number(ring: Duration) -> None:
    """A part of a second makes a ring timeout invalid, also one that an invalid Duration hides."""
    channel = read(telephony=pb.Telephony(ring_timeout=ring)).channel
    assert channel is not None
    assert channel.broken_rule == "telephony.ring_timeout: must be 15 to 60 whole seconds"


def test_requests_share_equal_channels() -> None:
    """The channel of a list is one object for all its requests; only an e-mail has an address of its own."""
    one, other = (read(sms=pb.Sms(template_arn=TEMPLATE)).channel for _ in range(2))
    assert one is other
    sent = [pb.Email(destination_address=f"{name}@b.de", template_arn=TEMPLATE) for name in "ab"]
    mails = [read(email=each).channel for each in sent]
    assert isinstance(mails[0], Email)
    assert isinstance(mails[1], Email)
    assert mails[0].template_arn is mails[1].template_arn


def test_long_texts_are_not_kept() -> None:
    """A channel that is refused for its length stays in no cache."""
    caches = (channels._shared_telephony, channels._shared_sms, channels._shared_text)
    before = [cache.cache_info().currsize for cache in caches]
    text = "x" * 100_000
    read(sms=pb.Sms(template_arn=text))
    read(telephony=pb.Telephony(source_phone_number=text))
    read(email=pb.Email(source_address=text))
    assert [cache.cache_info().currsize for cache in caches] == before


def vars_of(channel: Any) -> list[object]:
    """Return the values of a channel's fields."""
    return [getattr(channel, field.name) for field in dataclasses.fields(channel)]


@pytest.mark.parametrize(
    "fields",
    [
        {"sms": pb.Sms(source_phone_number_arn=ARN, template_arn=TEMPLATE)},
        {"whats_app": pb.WhatsApp(source_phone_number_arn=ARN)},
        {"telephony": pb.Telephony(source_phone_number="+12065550199")},
        {"email": pb.Email(destination_address=ADDRESS, source_address="b@c.de", template_arn=TEMPLATE)},
        {"email": pb.Email(destination_address="ü" * 240 + "\N{GRINNING FACE}@example.com")},
    ],
)
def test_a_channel_counts_as_memory(fields: dict[str, Any]) -> None:
    """The size of a request counts its channel with all texts, as if it shared none of them."""
    plain, request = read(), read(**fields)
    assert request.channel is not None
    values = vars_of(request.channel)
    texts = [each for each in values if isinstance(each, str)]
    own = sys.getsizeof(request.channel) + sum(map(sys.getsizeof, texts))
    assert own <= request.size_bytes - plain.size_bytes <= 2 * own + 300


def test_the_last_channel_of_a_message_counts() -> None:
    """If the bytes of a request have several channels, the last one counts, as protobuf defines."""
    both = pb.DialRequest(sms=pb.Sms(template_arn=TEMPLATE)).SerializeToString()
    both += pb.DialRequest(email=pb.Email(destination_address=ADDRESS)).SerializeToString()
    request = dial_requests.dial_request("c", pb.DialRequest.FromString(both))
    assert request.channel == Email(ADDRESS)


def test_old_bytes_are_unchanged() -> None:
    """A request without a channel has the same bytes as before the contract had channels."""
    message = pb.DialRequest(client_token="t", phone_number="+1", attributes={"k": "v"}, in_doubt=True)
    message.expiration_time.seconds = 9
    assert message.SerializeToString() == b'\n\x01t\x12\x02+1\x1a\x02\x08\t"\x06\n\x01k\x12\x01v0\x01'
