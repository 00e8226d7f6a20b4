"""Write the channel of a dial request into its message."""

from __future__ import annotations

from dialgateway.contact_channels import Channel, Email, Sms, Telephony
from dialgateway.v1 import dial_request_service_pb2 as pb


def add_channel(message: pb.DialRequest, channel: Channel) -> None:
    """Set the field of a channel, also if the channel sets nothing."""
    if isinstance(channel, Telephony):
        _add_telephony(message.telephony, channel)
        message.telephony.SetInParent()
    elif isinstance(channel, Email):
        message.email.destination_address = channel.destination_address
        message.email.source_address = channel.source_address or ""
        message.email.template_arn = channel.template_arn or ""
        message.email.SetInParent()
    else:
        written = message.sms if isinstance(channel, Sms) else message.whats_app
        written.source_phone_number_arn = channel.source_phone_number_arn or ""
        written.template_arn = channel.template_arn or ""
        written.SetInParent()


def _add_telephony(written: pb.Telephony, channel: Telephony) -> None:
    written.source_phone_number = channel.source_phone_number or ""
    if channel.ring_timeout is not None:
        written.ring_timeout.FromTimedelta(channel.ring_timeout)
    detection = channel.answer_machine_detection
    if detection is not None:
        written.answer_machine_detection.enabled = detection.enabled
        if detection.await_prompt is not None:
            written.answer_machine_detection.await_prompt = detection.await_prompt
