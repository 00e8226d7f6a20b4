"""The channels of a dial request: their rules, their texts for fingerprints, and what their repr shows."""

from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.connect.channel_parameters import channel_parameters
from gateway.core.channels import (
    ADDRESS_LIMIT,
    ARN_LONGEST,
    ARN_SHORTEST,
    RING_LONGEST_S,
    RING_SHORTEST_S,
    SOURCE_NUMBER_LIMIT,
    AnswerMachineDetection,
    Channel,
    Email,
    Sms,
    Telephony,
    WhatsApp,
    all_channels,
    no_channels,
)
from gateway.core.intake.validation import problem_with
from gateway.simulator.validation import Violation, compile_check
from tests.unit.core.making import dial

ARN = "arn:aws:connect:us-east-1:111122223333:instance/i/phone-number/p"
ADDRESS = "ada@example.com"
AMD = "telephony.answer_machine_detection"
ARN_RULE = "must be an ARN of 20 to 500 characters"
EMAIL_RULE = "must be one line of 1 to 255 characters with an address like name@example.com"


def model() -> Any:
    return botocore.session.get_session().get_service_model("connectcampaignsv2")


MODEL_CHECK = compile_check(model().shape_for("ChannelSubtypeParameters"))


def problem(channel: Channel, phone: str = "+12065550100") -> str | None:
    """Return what the gateway finds wrong with a request for a campaign of V2."""
    number = phone if channel.to_number else ""
    return problem_with(dial(phone=number, channel=channel), all_channels)


def model_takes(channel: Channel) -> bool:
    """Whether the constraints of the service model hold for what would be sent."""
    try:
        MODEL_CHECK(channel_parameters("+12065550100", channel, {"k": "v"}))
    except Violation:
        return False
    return True


def test_the_limits_are_those_of_the_model() -> None:
    """Each limit of a channel is in botocore's model."""
    shapes = {name: model().shape_for(name).metadata for name in ("SourcePhoneNumber", "EmailAddress", "Arn")}
    assert shapes["SourcePhoneNumber"]["max"] == SOURCE_NUMBER_LIMIT
    assert shapes["EmailAddress"]["max"] == ADDRESS_LIMIT
    assert (shapes["Arn"]["min"], shapes["Arn"]["max"]) == (ARN_SHORTEST, ARN_LONGEST)
    ring = model().shape_for("RingTimeout").metadata
    assert (ring["min"], ring["max"]) == (RING_SHORTEST_S, RING_LONGEST_S)


def test_every_member_of_the_model_can_be_sent() -> None:
    """A request can set each member that the model has, for each channel."""
    full: list[Channel] = [
        Telephony("+12065550199", 30, AnswerMachineDetection(enabled=True, await_prompt=False)),
        Sms(ARN, ARN),
        Email(ADDRESS, ADDRESS, ARN),
        WhatsApp(ARN, ARN),
    ]
    union = model().shape_for("ChannelSubtypeParameters")
    sent: dict[str, Any] = {}
    for channel in full:
        sent |= channel_parameters("+12065550100", channel, {})
    assert {name: set(members) for name, members in sent.items()} == {
        name: set(shape.members) for name, shape in union.members.items()
    }
    detection = sent["telephony"]["answerMachineDetectionConfig"]
    assert set(detection) == set(model().shape_for("AnswerMachineDetectionConfig").members)


def test_what_is_not_set_is_not_sent() -> None:
    """Fields that are not set are left out, so that the settings of the campaign apply."""
    number, attributes = "+12065550100", {"k": "v"}
    text = {"destinationPhoneNumber": number, "templateParameters": attributes}
    assert channel_parameters(number, Sms(), attributes) == {"sms": text}
    assert channel_parameters(number, WhatsApp(), attributes) == {"whatsApp": text}
    email = {"destinationEmailAddress": ADDRESS, "templateParameters": attributes}
    assert channel_parameters("", Email(ADDRESS), attributes) == {"email": email}
    call = {"destinationPhoneNumber": number, "attributes": attributes}
    assert channel_parameters(number, Telephony(), attributes) == {"telephony": call}


GOOD: list[Channel] = [
    Telephony("+12065550199"),
    Telephony("5" * 100),
    Telephony(ring_timeout_s=15),
    Telephony(ring_timeout_s=60),
    Telephony(answer_machine_detection=AnswerMachineDetection(enabled=False)),
    Telephony(answer_machine_detection=AnswerMachineDetection(enabled=True, await_prompt=True)),
    Sms(),
    Sms(ARN),
    Sms(template_arn=ARN),
    WhatsApp(ARN, ARN),
    Sms("arn:a:b:us-east-1:c:d"),
    Sms("arn:aws:connect:us-east-1:1:" + "a/" * 200 + "b:c"),
    Sms("arn:aws:connect:us-east-1:1:" + "a" * 472),
    Email(ADDRESS),
    Email("a@b.c"),
    Email("Ada <ada@example.com>"),
    Email("a" * 243 + "@example.com"),
    Email(ADDRESS, "news@example.com", ARN),
]


@pytest.mark.parametrize("channel", GOOD)
def test_a_good_channel(channel: Channel) -> None:
    """Nothing is wrong with channels at the limits, and the model takes them too."""
    assert problem(channel) is None
    assert model_takes(channel)


BAD: list[tuple[Channel, str]] = [
    (Telephony("5" * 101), "telephony.source_phone_number: must be at most 100 characters"),
    (Telephony(ring_timeout_s=14), "telephony.ring_timeout: must be 15 to 60 whole seconds"),
    (Telephony(ring_timeout_s=61), "telephony.ring_timeout: must be 15 to 60 whole seconds"),
    (Telephony(ring_timeout_s=0), "telephony.ring_timeout: must be 15 to 60 whole seconds"),
    (Telephony(ring_timeout_s=-30), "telephony.ring_timeout: must be 15 to 60 whole seconds"),
    (Telephony(answer_machine_detection=AnswerMachineDetection(None)), f"{AMD}.enabled: required"),
    (Sms("arn:a:b:us-east-1:c"), f"sms.source_phone_number_arn: {ARN_RULE}"),
    (Sms("arn:aws:connect:us-east-1:1:" + "a" * 473), f"sms.source_phone_number_arn: {ARN_RULE}"),
    (Sms(ARN, "+12065550199 is no ARN"), "sms.template_arn: must be an ARN of 20 to 500 characters"),
    (WhatsApp(template_arn=ARN + ":a:b"), "whats_app.template_arn: must be an ARN of 20 to 500 characters"),
    (WhatsApp("arn:aws:connect:us-east-٣:1:abc"), f"whats_app.source_phone_number_arn: {ARN_RULE}"),
    (Email(), "email.destination_address: required"),
    (Email("ada"), f"email.destination_address: {EMAIL_RULE}"),
    (Email("ada@example"), f"email.destination_address: {EMAIL_RULE}"),
    (Email("@example.com"), f"email.destination_address: {EMAIL_RULE}"),
    (Email("ada@.com"), f"email.destination_address: {EMAIL_RULE}"),
    (Email("a" * 244 + "@example.com"), f"email.destination_address: {EMAIL_RULE}"),
    (Email(ADDRESS, "news"), f"email.source_address: {EMAIL_RULE}"),
    (Email(ADDRESS, "", "template"), "email.template_arn: must be an ARN of 20 to 500 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("channel", "told"), BAD)
def test_a_bad_channel(channel: Channel, told: str) -> None:
    """A value outside a limit of the model is refused with field and rule, without the value."""
    assert problem(channel) == told
    assert not model_takes(channel)


@pytest.mark.parametrize("text", ["ada@example.com\n", "a\nada@example.com", "ada@example.com\u2028b"])
def test_an_address_is_one_line(text: str) -> None:
    """An address with a line break is refused: the model's pattern matches within one line."""
    assert problem(Email(text)) == f"email.destination_address: {EMAIL_RULE}"
    assert problem(Email(ADDRESS, text)) == f"email.source_address: {EMAIL_RULE}"


@given(st.text(alphabet="arn:s-1/é \t@.", max_size=12), st.sampled_from(["", "arn:aws:connect:us-east-1:1:"]))
def test_arns_and_addresses_agree_with_the_model(text: str, start: str) -> None:
    """The gateway's linear patterns accept exactly what the model's patterns accept."""
    for channel in (Sms(start + text), Email(start + text), Email(ADDRESS, template_arn=start + text)):
        assert (channel.broken_rule is None) == model_takes(channel)


def test_hostile_texts_take_linear_time() -> None:
    """Texts that take the model's patterns exponential or quadratic time are refused at once."""
    slashes = "arn:aws:connect:us-east-1:1:" + "a/" * 200 + "::"
    assert problem(Sms(slashes)) == f"sms.source_phone_number_arn: {ARN_RULE}"
    assert not model_takes(Sms(slashes))  # the simulator does not hang either
    for text in ("a" * 255, "a@" * 127, "a." * 126 + "@"):
        for _ in range(200):
            assert Email(text).broken_rule is not None


def test_the_phone_number_of_each_channel() -> None:
    """A call and a text message need a number in E.164; an e-mail must have none."""
    for channel in (Telephony("+12065550199"), Sms(), WhatsApp()):
        assert problem(channel, phone="") == "phone_number: required"
        assert (problem(channel, phone="206 555 0100") or "").startswith("phone_number: must be E.164")
    told = problem_with(dial(channel=Email(ADDRESS)), all_channels)
    assert told == "phone_number: must be empty with email, which has an address of its own"


@pytest.mark.parametrize(
    ("channel", "field"),
    [
        (Telephony("+12065550199", 30), "telephony.source_phone_number"),
        (Telephony(ring_timeout_s=30), "telephony.ring_timeout"),
        (Telephony(answer_machine_detection=AnswerMachineDetection(enabled=True)), AMD),
        (Sms(), "sms"),
        (Email(ADDRESS), "email"),
        (WhatsApp(ARN), "whats_app"),
    ],
)
def test_v1_has_no_channels(channel: Channel, field: str) -> None:
    """A channel of a campaign of V1 is refused with the field named, whatever else is wrong with it."""
    told = problem_with(dial(phone="", channel=channel), no_channels)
    assert told == f"{field}: campaigns of Amazon Connect's API V1 do not have it"


def test_without_channel_the_api_is_not_asked() -> None:
    """A request without a channel costs no look-up of its campaign's API."""

    def fail(campaign_id: str) -> bool:
        raise AssertionError(campaign_id)

    assert problem_with(dial(), fail) is None


DISTINCT: list[Channel | None] = [
    None,
    Telephony("+12065550199"),
    Telephony(ring_timeout_s=30),
    Telephony(ring_timeout_s=31),
    Telephony(answer_machine_detection=AnswerMachineDetection(enabled=True)),
    Telephony(answer_machine_detection=AnswerMachineDetection(enabled=False)),
    Telephony(answer_machine_detection=AnswerMachineDetection(enabled=True, await_prompt=False)),
    Sms(),
    Sms(ARN),
    Sms(template_arn=ARN),
    WhatsApp(),
    WhatsApp(ARN),
    WhatsApp(template_arn=ARN),
    Email(ADDRESS),
    Email(ADDRESS, ADDRESS),
    Email(ADDRESS, "", ARN),
    Email("bob@example.com"),
]


def test_different_channels_are_different_dials() -> None:
    """Each field of a channel counts for whether two requests with a token ask for the same dial."""
    requests = [dial(channel=channel) for channel in DISTINCT]
    for request in requests:
        same = [request.same_dial(other) for other in requests]
        assert same.count(True) == 1
    assert len({request.fingerprint() for request in requests}) == len(requests)


def test_equal_channels_are_one_dial() -> None:
    """Two objects with the same fields make equal dials with equal fingerprints."""
    one, other = (dial(channel=Email(ADDRESS, template_arn=ARN)) for _ in range(2))
    assert one.same_dial(other)
    assert one.fingerprint() == other.fingerprint()


@pytest.mark.parametrize("channel", GOOD)
def test_repr_shows_no_field(channel: Channel) -> None:
    """The repr of a channel, and of its request, has the kind of the channel at most."""
    assert repr(channel) == f"{type(channel).__name__}()"
    shown = repr(dial(channel=channel))
    assert not any(part in shown for part in channel.parts()[1:] if part)
