"""The values of DialRequestService: requests, results and notices.

Their `repr` shows no phone number and no attribute, so that none gets into a log that way.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from dialgateway._text import text_bytes
from dialgateway.contact_channels import Channel


class Priority(StrEnum):
    """How urgent dial requests are compared with others at the same gateway."""

    NORMAL = "NORMAL"
    HIGH = "HIGH"
    BULK = "BULK"


class Outcome(StrEnum):
    """The outcome of a dial request. Only with ACCEPTED and UNKNOWN may Amazon Connect dial.

    An outcome that only a newer gateway knows is read as UNKNOWN.
    """

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NOT_ACCEPTED = "NOT_ACCEPTED"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a dial request was not accepted. UNSPECIFIED: accepted, or a reason of a newer gateway."""

    UNSPECIFIED = "UNSPECIFIED"
    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_INPUT = "INVALID_INPUT"
    TOKEN_CONFLICT = "TOKEN_CONFLICT"  # noqa: S105 - the name of a reason, no secret
    CAMPAIGN_NOT_FOUND = "CAMPAIGN_NOT_FOUND"
    CAMPAIGN_NOT_RUNNING = "CAMPAIGN_NOT_RUNNING"
    ACCESS_DENIED = "ACCESS_DENIED"
    EXPIRATION_PASSED = "EXPIRATION_PASSED"
    WOULD_EXPIRE = "WOULD_EXPIRE"
    THROTTLED = "THROTTLED"
    CONNECT_ERROR = "CONNECT_ERROR"
    CONNECT_UNREACHABLE = "CONNECT_UNREACHABLE"
    DRAINING = "DRAINING"
    HELD = "HELD"
    PURGED = "PURGED"
    OVERLOADED = "OVERLOADED"
    DEADLINE = "DEADLINE"
    OUTSIDE_CALLING_HOURS = "OUTSIDE_CALLING_HOURS"
    SUPPRESSED = "SUPPRESSED"
    CONTACT_LIMIT = "CONTACT_LIMIT"
    NUMBER_NOT_ALLOWED = "NUMBER_NOT_ALLOWED"


class RetryAdvice(StrEnum):
    """Whether and how to send a dial again. UNSPECIFIED: not necessary, or an advice of a newer gateway."""

    UNSPECIFIED = "UNSPECIFIED"
    SAME_TOKEN = "SAME_TOKEN"  # noqa: S105 - the name of an advice, no secret
    NEW_TOKEN = "NEW_TOKEN"  # noqa: S105 - the name of an advice, no secret
    NEVER = "NEVER"


class NoticeKind(StrEnum):
    """The subject of a notice. Ignore UNSPECIFIED: it is a kind that only a newer gateway knows."""

    UNSPECIFIED = "UNSPECIFIED"
    DRAINING = "DRAINING"
    CAMPAIGN_COOLING = "CAMPAIGN_COOLING"
    CAMPAIGN_PARKED = "CAMPAIGN_PARKED"
    CAMPAIGN_HELD = "CAMPAIGN_HELD"
    CAMPAIGN_RESUMED = "CAMPAIGN_RESUMED"


def new_client_token() -> str:
    """Return a token for a new dial.

    Call this once, when you decide to dial somebody, and store the token with your record before you send the
    request. The token prevents that a retry dials somebody twice. Keep it when you send the same dial again
    after an error, a restart or a broken stream. Make a new one only if the gateway advises NEW_TOKEN and the
    dial is still wanted, or if the same person is to be dialed a second time.
    """
    return str(uuid.uuid4())


# Upper bounds for the bytes of a message besides its texts: field tags, lengths, time and flags; for an
# attribute: its tags and lengths.
_REQUEST_OVERHEAD_BYTES, _ATTRIBUTE_OVERHEAD_BYTES = 64, 24


@dataclass(frozen=True, slots=True)
class DialRequest:
    """One person to dial, or to send a message to.

    The gateway checks the values, and answers REJECTED if one is invalid. Only what cannot be sent is refused
    here: ValueError for an `expires_at` without a time zone and for text that is not valid Unicode, TypeError
    for other types. The errors do not contain the value.
    """

    client_token: str
    """Your id of this dial, unique in its campaign; see `new_client_token`."""
    phone_number: str = field(repr=False)
    """The number in E.164: '+', country code and number, without spaces or dashes. "" for an e-mail."""
    expires_at: datetime
    """When this dial expires. Choose some minutes from now; Connect may refuse more than 15 minutes."""
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Contact attributes for the contact flow, or the parameters of a message's template. They are copied."""
    traceparent: str | None = None
    """W3C trace context of this request, if it differs from that of the whole call."""
    in_doubt: bool = False
    """Set this if you may have sent this token before and have no final answer, for example after a crash.
    Amazon Connect may have the request then, so the answer is ACCEPTED or UNKNOWN, never a refusal. Within
    one `dial()` or `put()` the client sets it itself for requests that it sends again."""
    channel: Channel | None = field(default=None, repr=False)
    """How to contact the person, for campaigns of Amazon Connect's API V2: Telephony, Sms, Email or WhatsApp.
    None is a telephone call with the settings of its campaign."""
    max_bytes: int = field(init=False, repr=False, compare=False)
    """An upper bound for the bytes of this request in a message: its UTF-8 text and an overhead."""

    def __post_init__(self) -> None:
        size = text_bytes("client_token", self.client_token)
        size += text_bytes("phone_number", self.phone_number)
        if not isinstance(self.expires_at, datetime):
            raise TypeError(f"expires_at must be a datetime, not {type(self.expires_at).__name__}")
        if self.expires_at.utcoffset() is None:
            raise ValueError("expires_at has no time zone")
        if self.traceparent is not None:
            size += text_bytes("traceparent", self.traceparent)
        if self.channel is not None:
            if not isinstance(self.channel, Channel):
                raise TypeError(f"channel must not be {type(self.channel).__name__}")
            size += self.channel.max_bytes
        attributes = dict(self.attributes)
        for key, value in attributes.items():
            size += text_bytes("a key of attributes", key) + text_bytes("a value of attributes", value)
        object.__setattr__(self, "attributes", attributes)
        overhead = _REQUEST_OVERHEAD_BYTES + _ATTRIBUTE_OVERHEAD_BYTES * len(attributes)
        object.__setattr__(self, "max_bytes", size + overhead)


@dataclass(frozen=True, slots=True)
class DialResult:
    """The answer to one dial request."""

    client_token: str
    """The token of the request."""
    index: int
    """Zero-based position of the request in this `dial()` or `put()`. It distinguishes equal tokens."""
    outcome: Outcome
    """The outcome."""
    dial_request_id: str = ""
    """Amazon Connect's id of the dial request, if it was accepted."""
    reason: Reason = Reason.UNSPECIFIED
    """Why it was not accepted."""
    detail: str = ""
    """The reason as text for a person, not for parsing. It contains no phone number and no attribute."""
    retry_advice: RetryAdvice = RetryAdvice.UNSPECIFIED
    """Whether and how to send this dial again."""
    retry_after: timedelta | None = None
    """How long to wait before sending it again, if the gateway knows."""
    attempts: int = 0
    """How many calls to Amazon Connect have contained the request."""
    replayed: bool = False
    """Whether this repeats the answer to an earlier request with the same token, which was accepted."""
    trace_id: str = ""
    """The id of the trace of this request, 32 hexadecimal digits."""
    unnamed: tuple[tuple[str, int], ...] = ()
    """Enum numbers that only a newer gateway knows, such as ("outcome", 7). Such an outcome is read as
    UNKNOWN, such a reason or advice as UNSPECIFIED."""

    @property
    def accepted(self) -> bool:
        """Whether Amazon Connect has the request."""
        return self.outcome is Outcome.ACCEPTED


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of the gateway besides results. It may be ignored."""

    kind: NoticeKind
    """Its subject."""
    campaign_id: str = ""
    """The campaign concerned; empty if it concerns the whole gateway."""
    retry_after: timedelta | None = None
    """How long the condition may last, if the gateway knows."""
    detail: str = ""
    """The notice as text for a person, not for parsing."""
