"""Converts the channel of a dial request from protobuf to the core's model."""

import sys
from functools import lru_cache

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.core.channels import AnswerMachineDetection, Channel, Email, Sms, Telephony, WhatsApp

CHANNEL_BYTES = 180
"""Memory, in bytes, of a channel in addition to its texts as they are on the wire."""
SHARED = 256
"""Channels of each kind, and texts of e-mails, that are kept to be shared by further requests."""
_SHORT = 1_100
"""Characters in the texts of a channel that is shared, at most: two ARNs, and more than any other valid
channel. What is longer is refused, and must not be kept."""


def channel_of(message: pb.DialRequest, kind: str) -> tuple[Channel | None, int]:
    """Return the channel of a dial request, and its size in memory in bytes besides its texts.

    `kind` is the name of the field that is set. A Telephony that sets nothing is no channel: it means what a
    request without a channel means.
    """
    if kind == "email":
        return _email(message.email)
    if kind == "sms":
        return _sms(message.sms), CHANNEL_BYTES
    if kind == "whats_app":
        return _whats_app(message.whats_app), CHANNEL_BYTES
    channel = _telephony(message.telephony)
    return channel, CHANNEL_BYTES if channel is not None else 0


def _telephony(sent: pb.Telephony) -> Telephony | None:
    ring_s: float | None = None
    detection = None
    if sent.HasField("ring_timeout"):
        ring = sent.ring_timeout
        ring_s = ring.seconds + 0.5 if ring.nanos else ring.seconds  # only whole seconds are valid
    if sent.HasField("answer_machine_detection"):
        stated = sent.answer_machine_detection
        detection = AnswerMachineDetection(
            stated.enabled if stated.HasField("enabled") else None,
            stated.await_prompt if stated.HasField("await_prompt") else None,
        )
    source = sent.source_phone_number
    if not source and ring_s is None and detection is None:
        return None
    make = _shared_telephony if len(source) <= _SHORT else Telephony
    return make(source, ring_s, detection)


def _sms(sent: pb.Sms) -> Sms:
    source, template = sent.source_phone_number_arn, sent.template_arn
    make = _shared_sms if len(source) + len(template) <= _SHORT else Sms
    return make(source, template)


def _whats_app(sent: pb.WhatsApp) -> WhatsApp:
    source, template = sent.source_phone_number_arn, sent.template_arn
    make = _shared_whats_app if len(source) + len(template) <= _SHORT else WhatsApp
    return make(source, template)


def _email(sent: pb.Email) -> tuple[Email, int]:
    """Return an e-mail, with texts that it shares with others: only the recipient is its own."""
    source, template = sent.source_address, sent.template_arn
    if len(source) + len(template) <= _SHORT:
        source, template = _shared_text(source), _shared_text(template)
    email = Email(sent.destination_address, source, template)
    return email, CHANNEL_BYTES + sys.getsizeof(email.address)


_shared_telephony = lru_cache(maxsize=SHARED)(Telephony)
_shared_sms = lru_cache(maxsize=SHARED)(Sms)
_shared_whats_app = lru_cache(maxsize=SHARED)(WhatsApp)
_shared_text = lru_cache(maxsize=SHARED)(str)
