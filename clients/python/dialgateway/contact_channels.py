"""The channels of a dial request: how a person is contacted, and the settings for that.

Only campaigns of Amazon Connect's API V2 have them; a gateway answers REJECTED for a campaign of V1. The
gateway checks the values. Only what cannot be sent is refused here: ValueError for text that is not valid
Unicode, TypeError for other types. The `repr` of a channel shows none of its fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from dialgateway._text import text_bytes

# Upper bounds for the bytes of a channel besides its texts, and of one text besides its characters.
_CHANNEL_OVERHEAD_BYTES, _TEXT_OVERHEAD_BYTES = 48, 8


@dataclass(frozen=True, slots=True)
class AnswerMachineDetection:
    """Whether Amazon Connect finds out if an answering machine answers a call."""

    enabled: bool = True
    """Whether it does."""
    await_prompt: bool | None = None
    """Whether it then waits until the machine's announcement has ended; None: as the campaign says."""


@dataclass(frozen=True, slots=True)
class Telephony:
    """A telephone call with settings of its own. What is None is as the campaign says."""

    source_phone_number: str | None = field(default=None, repr=False)
    """The number that the call comes from, in E.164. It belongs to the Amazon Connect instance."""
    ring_timeout: timedelta | None = field(default=None, repr=False)
    """How long the phone rings: 15 to 60 whole seconds."""
    answer_machine_detection: AnswerMachineDetection | None = field(default=None, repr=False)
    """Whether Amazon Connect finds out if a machine answers."""
    max_bytes: int = field(init=False, repr=False, compare=False)
    """An upper bound for the bytes of this channel in a message."""

    def __post_init__(self) -> None:
        _require("ring_timeout", self.ring_timeout, timedelta)
        _require("answer_machine_detection", self.answer_machine_detection, AnswerMachineDetection)
        _set_max_bytes(self, "source_phone_number")


@dataclass(frozen=True, slots=True)
class Sms:
    """An SMS to the request's phone number; the attributes are the parameters of its template."""

    source_phone_number_arn: str | None = field(default=None, repr=False)
    """ARN of the phone number that the SMS comes from; None: the campaign's."""
    template_arn: str | None = field(default=None, repr=False)
    """ARN of the message template; None: the campaign's."""
    max_bytes: int = field(init=False, repr=False, compare=False)
    """An upper bound for the bytes of this channel in a message."""

    def __post_init__(self) -> None:
        _set_max_bytes(self, "source_phone_number_arn", "template_arn")


@dataclass(frozen=True, slots=True)
class WhatsApp:
    """A WhatsApp message to the request's phone number; the attributes are the parameters of its template."""

    source_phone_number_arn: str | None = field(default=None, repr=False)
    """ARN of the WhatsApp phone number that the message comes from; None: the campaign's."""
    template_arn: str | None = field(default=None, repr=False)
    """ARN of the message template; None: the campaign's."""
    max_bytes: int = field(init=False, repr=False, compare=False)
    """An upper bound for the bytes of this channel in a message."""

    def __post_init__(self) -> None:
        _set_max_bytes(self, "source_phone_number_arn", "template_arn")


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail; the attributes are the parameters of its template. The request has no phone number."""

    destination_address: str = field(repr=False)
    """Whom to send it to."""
    source_address: str | None = field(default=None, repr=False)
    """The address that it comes from; None: the campaign's."""
    template_arn: str | None = field(default=None, repr=False)
    """ARN of the message template; None: the campaign's."""
    max_bytes: int = field(init=False, repr=False, compare=False)
    """An upper bound for the bytes of this channel in a message."""

    def __post_init__(self) -> None:
        size = text_bytes("destination_address", self.destination_address)
        _set_max_bytes(self, "source_address", "template_arn", more=size + _TEXT_OVERHEAD_BYTES)


Channel = Telephony | Sms | Email | WhatsApp
"""How a person is contacted, and the settings for that."""


def _require(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")


def _set_max_bytes(channel: Channel, *names: str, more: int = 0) -> None:
    """Check the texts with these names, and set the bound of the size."""
    size = _CHANNEL_OVERHEAD_BYTES + more
    for name in names:
        text = getattr(channel, name)
        if text is not None:
            size += text_bytes(name, text) + _TEXT_OVERHEAD_BYTES
    object.__setattr__(channel, "max_bytes", size)
