"""The options of `dialctl send` and `dialctl check` that choose the channel of a list and its settings."""

from __future__ import annotations

import argparse
from datetime import timedelta

from dialgateway.contact_channels import AnswerMachineDetection, Channel, Email, Sms, Telephony, WhatsApp
from dialgateway.dialctl.errors import UnusableFile

_DESCRIPTION = """\
How people are contacted. Only campaigns of Amazon Connect's API V2 have channels. What is not given is as the
campaign says. The attributes of a message are the parameters of its template. A list for e-mails has
addresses instead of phone numbers."""

_DETECTION = {
    "off": AnswerMachineDetection(enabled=False),
    "on": AnswerMachineDetection(enabled=True),
    "await-prompt": AnswerMachineDetection(enabled=True, await_prompt=True),
}
_OF_CALLS = ("ring_timeout", "machine_detection")


def add_channel_options(command: argparse.ArgumentParser) -> None:
    """Add the options to a command that reads a list."""
    group = command.add_argument_group("channel", _DESCRIPTION)
    group.add_argument(
        "--channel",
        choices=["telephony", "sms", "email", "whatsapp"],
        default="telephony",
        help="default: telephony, a telephone call",
    )
    group.add_argument(
        "--source",
        metavar="SOURCE",
        help="where it comes from: phone number of a call, address of an e-mail, ARN of the phone number "
        "of an SMS or WhatsApp message",
    )
    group.add_argument("--template", metavar="ARN", help="the template of a message")
    group.add_argument(
        "--ring-timeout", metavar="SECONDS", type=_ring_timeout, help="how long the phone rings: 15 to 60"
    )
    group.add_argument(
        "--machine-detection",
        choices=list(_DETECTION),
        help="whether Amazon Connect finds out if a machine answers, and awaits its announcement",
    )


def channel_of(chosen: argparse.Namespace) -> Channel | None:
    """Return the channel of all leads, with an empty address for e-mails; None if no option was given.

    Raises UnusableFile for options that do not belong together.
    """
    if chosen.channel != "telephony":
        for name in _OF_CALLS:
            if getattr(chosen, name) is not None:
                raise UnusableFile(f"--{name.replace('_', '-')}: only with --channel telephony")
    elif chosen.template is not None:
        raise UnusableFile("--template: not with telephone calls; give --channel sms, email or whatsapp")
    match chosen.channel:
        case "sms":
            return Sms(chosen.source, chosen.template)
        case "whatsapp":
            return WhatsApp(chosen.source, chosen.template)
        case "email":
            return Email("", chosen.source, chosen.template)
    if chosen.source is None and chosen.ring_timeout is None and chosen.machine_detection is None:
        return None
    return Telephony(chosen.source, chosen.ring_timeout, _DETECTION.get(chosen.machine_detection))


def _ring_timeout(text: str) -> timedelta:
    seconds = text.removesuffix("s")
    if not (seconds.isascii() and seconds.isdigit() and 15 <= int(seconds[:9]) <= 60):
        raise argparse.ArgumentTypeError("expected 15 to 60 seconds, such as 30")
    return timedelta(seconds=int(seconds))
