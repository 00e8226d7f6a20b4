"""The channels of dial requests: a telephone call with settings of its own, an SMS, an e-mail, WhatsApp.

Only campaigns of V2 have them. Limits: botocore model `connectcampaignsv2/2024-04-23`, which botocore does
not check by itself. All fields are treated as personal data, so a `repr` shows none of them, and a broken
rule is described by field and rule. An empty text stands for a field that is not set.

The channel is mostly the same for all requests of a list, which then share one object. So each object checks
its rules once, when it is made.
"""

import re
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

SOURCE_NUMBER_LIMIT, ADDRESS_LIMIT = 100, 255
"""Characters in the source number of a call, and in an e-mail address, at most."""
ARN_SHORTEST, ARN_LONGEST = 20, 500
RING_SHORTEST_S, RING_LONGEST_S = 15, 60

# The model's pattern ends in `[^:]+(?:/[^:]+)*(?:/[^:]+)?(?:\:[^:]+)?`. It accepts the same texts, but a text
# with many slashes that it refuses takes it exponential time.
_arn = re.compile(
    r"arn:[a-zA-Z0-9-]+:[a-zA-Z0-9-]+:[a-z]{2}-[a-z]+-[0-9]{1,2}:[a-zA-Z0-9-]+:[^:]+(?::[^:]+)?"
).fullmatch
# The model's pattern `.*[^\s@]+@[^\s@]+\.[^\s@]+.*`, in linear time: a line, and an address somewhere in it.
_line = re.compile(r"[^\n\r\u0085\u2028\u2029]+").fullmatch
_address = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]", re.ASCII).search


class AnswerMachineDetection(NamedTuple):
    """Whether Connect finds out if a machine answers, and then waits for the end of its announcement."""

    enabled: bool | None
    await_prompt: bool | None = None


class Channel:
    """What all channels have in common.

    `name` is the channel's field in the contract, `to_number` whether it goes to the phone number of its
    request. `broken_rule` is the field and the rule that a channel breaks, None if it breaks none.
    """

    __slots__ = ()
    name: ClassVar[str]
    to_number: ClassVar[bool] = True
    broken_rule: str | None

    def __repr__(self) -> str:
        """Leave out all fields: some are personal data."""
        return f"{type(self).__name__}()"

    @property
    def first_field(self) -> str:
        """The name of a field that is set, for an API that does not have it."""
        return self.name

    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """Return texts that identify the channel and all its fields; equal channels have equal texts."""


@dataclass(frozen=True, slots=True, repr=False)
class Telephony(Channel):
    """A telephone call with settings of its own. `ring_timeout_s` is in seconds, None for the campaign's."""

    name: ClassVar[str] = "telephony"
    source_phone_number: str = ""
    ring_timeout_s: float | None = None
    answer_machine_detection: AnswerMachineDetection | None = None
    broken_rule: str | None = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check the rules."""
        object.__setattr__(self, "broken_rule", self._check())

    @property
    def first_field(self) -> str:
        """The first field that is set."""
        if self.source_phone_number:
            return "telephony.source_phone_number"
        if self.ring_timeout_s is not None:
            return "telephony.ring_timeout"
        return "telephony.answer_machine_detection"

    def parts(self) -> tuple[str, ...]:
        """Return the name of the channel and its fields."""
        detection = self.answer_machine_detection
        shown = "" if detection is None else f"{detection.enabled} {detection.await_prompt}"
        return self.name, self.source_phone_number, f"{self.ring_timeout_s}", shown

    def _check(self) -> str | None:
        ring_s, detection = self.ring_timeout_s, self.answer_machine_detection
        if len(self.source_phone_number) > SOURCE_NUMBER_LIMIT:
            return f"telephony.source_phone_number: must be at most {SOURCE_NUMBER_LIMIT} characters"
        if ring_s is not None and not (ring_s % 1 == 0 and RING_SHORTEST_S <= ring_s <= RING_LONGEST_S):
            return f"telephony.ring_timeout: must be {RING_SHORTEST_S} to {RING_LONGEST_S} whole seconds"
        if detection is not None and detection.enabled is None:
            return "telephony.answer_machine_detection.enabled: required"
        return None


@dataclass(frozen=True, slots=True, repr=False)
class _TextMessage(Channel):
    source_phone_number_arn: str = ""
    template_arn: str = ""
    broken_rule: str | None = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check the rules."""
        broken = _arn_problem(f"{self.name}.source_phone_number_arn", self.source_phone_number_arn)
        broken = broken or _arn_problem(f"{self.name}.template_arn", self.template_arn)
        object.__setattr__(self, "broken_rule", broken)

    def parts(self) -> tuple[str, ...]:
        """Return the name of the channel and its fields."""
        return self.name, self.source_phone_number_arn, self.template_arn


@dataclass(frozen=True, slots=True, repr=False)
class Sms(_TextMessage):
    """An SMS to the phone number of its request, with the attributes as parameters of the template."""

    name: ClassVar[str] = "sms"


@dataclass(frozen=True, slots=True, repr=False)
class WhatsApp(_TextMessage):
    """A WhatsApp message, as an SMS is one."""

    name: ClassVar[str] = "whats_app"


@dataclass(frozen=True, slots=True, repr=False)
class Email(Channel):
    """An e-mail to `address`, with the attributes of its request as parameters of the template."""

    name: ClassVar[str] = "email"
    to_number: ClassVar[bool] = False
    address: str = ""
    source_address: str = ""
    template_arn: str = ""
    broken_rule: str | None = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check the rules."""
        object.__setattr__(self, "broken_rule", self._check())

    def parts(self) -> tuple[str, ...]:
        """Return the name of the channel and its fields."""
        return self.name, self.address, self.source_address, self.template_arn

    def _check(self) -> str | None:
        if not self.address:
            return "email.destination_address: required"
        if not _is_address(self.address):
            return f"email.destination_address: {_ADDRESS_RULE}"
        if self.source_address and not _is_address(self.source_address):
            return f"email.source_address: {_ADDRESS_RULE}"
        return _arn_problem("email.template_arn", self.template_arn)


def no_channels(campaign_id: str) -> bool:
    """Return that campaigns take telephone calls only, as V1's do."""
    return False


def all_channels(campaign_id: str) -> bool:
    """Return that campaigns take all channels, as V2's do."""
    return True


def _is_address(text: str) -> bool:
    return len(text) <= ADDRESS_LIMIT and _line(text) is not None and _address(text) is not None


def _arn_problem(name: str, text: str) -> str | None:
    if not text or (ARN_SHORTEST <= len(text) <= ARN_LONGEST and _arn(text)):
        return None
    return f"{name}: must be an ARN of {ARN_SHORTEST} to {ARN_LONGEST} characters"


_ADDRESS_RULE = f"must be one line of 1 to {ADDRESS_LIMIT} characters with an address like name@example.com"
