"""Members of V2's `ChannelSubtypeParameters` for the channels of dial requests.

Names are those of the botocore model `connectcampaignsv2/2024-04-23`. Fields that are not set are left out,
so that the campaign's own settings apply.
"""

from collections.abc import Mapping
from typing import Any

from gateway.core.channels import Channel, Email, Sms, Telephony, WhatsApp

Parameters = Mapping[str, Any]


def channel_parameters(phone_number: str, channel: Channel, attributes: object) -> Parameters:
    """Return the parameters of a request with a channel; `attributes` are in the sender's form.

    Raises TypeError for a channel that this version does not know.
    """
    match channel:
        case Telephony():
            return {"telephony": _telephony(phone_number, channel, attributes)}
        case Sms():
            return {"sms": _text_message(phone_number, channel, attributes)}
        case WhatsApp():
            return {"whatsApp": _text_message(phone_number, channel, attributes)}
        case Email():
            return {"email": _email(channel, attributes)}
    raise TypeError(f"unknown channel {channel!r}")


def _telephony(phone_number: str, channel: Telephony, attributes: object) -> Parameters:
    parameters = {"destinationPhoneNumber": phone_number, "attributes": attributes}
    _set(parameters, connectSourcePhoneNumber=channel.source_phone_number)
    detection = channel.answer_machine_detection
    if detection is not None:
        config = {"enableAnswerMachineDetection": detection.enabled}
        if detection.await_prompt is not None:
            config["awaitAnswerMachinePrompt"] = detection.await_prompt
        parameters["answerMachineDetectionConfig"] = config
    if channel.ring_timeout_s is not None:
        parameters["ringTimeout"] = int(channel.ring_timeout_s)
    return parameters


def _text_message(phone_number: str, channel: Sms | WhatsApp, attributes: object) -> Parameters:
    parameters = {"destinationPhoneNumber": phone_number, "templateParameters": attributes}
    _set(
        parameters,
        connectSourcePhoneNumberArn=channel.source_phone_number_arn,
        templateArn=channel.template_arn,
    )
    return parameters


def _email(channel: Email, attributes: object) -> Parameters:
    parameters = {"destinationEmailAddress": channel.address, "templateParameters": attributes}
    _set(parameters, connectSourceEmailAddress=channel.source_address, templateArn=channel.template_arn)
    return parameters


def _set(parameters: dict[str, object], **texts: str) -> None:
    """Add the texts that are not empty."""
    parameters.update((name, text) for name, text in texts.items() if text)
