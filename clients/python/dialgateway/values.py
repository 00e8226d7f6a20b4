"""What a caller gives the gateway and gets from it: plain, typed, immutable values.

No value shows a phone number or an attribute in its `repr`, so none can reach a log by way of one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Priority(StrEnum):
    """How urgent dial requests are beside others of the same gateway."""

    NORMAL = "NORMAL"
    HIGH = "HIGH"
    BULK = "BULK"


class Outcome(StrEnum):
    """What became of a dial request. Only ACCEPTED and UNKNOWN mean that Amazon Connect may dial.

    An outcome of a newer gateway that this client has no name for reads as UNKNOWN.
    """

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NOT_ACCEPTED = "NOT_ACCEPTED"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a dial request was not accepted. UNSPECIFIED: accepted, or a reason newer than this client."""

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


class RetryAdvice(StrEnum):
    """Whether and how to send a dial again. UNSPECIFIED: nothing to send again, or newer than this client."""

    UNSPECIFIED = "UNSPECIFIED"
    SAME_TOKEN = "SAME_TOKEN"  # noqa: S105 - the name of an advice, no secret
    NEW_TOKEN = "NEW_TOKEN"  # noqa: S105 - the name of an advice, no secret
    NEVER = "NEVER"


class NoticeKind(StrEnum):
    """What a notice is about. Ignore UNSPECIFIED: it is newer than this client."""

    UNSPECIFIED = "UNSPECIFIED"
    DRAINING = "DRAINING"
    CAMPAIGN_COOLING = "CAMPAIGN_COOLING"
    CAMPAIGN_PARKED = "CAMPAIGN_PARKED"
    CAMPAIGN_HELD = "CAMPAIGN_HELD"
    CAMPAIGN_RESUMED = "CAMPAIGN_RESUMED"


def new_client_token() -> str:
    """Make the token of a new dial.

    Call this once, when the dial is decided on, and store the token with your record of it *before* you
    send it: the token is what keeps a retry from ringing somebody twice. Never make a new one to send the
    same dial again, after an error, a restart or a broken stream. Do make a new one when the gateway
    advises NEW_TOKEN and the dial is still wanted, or when the same person is to be dialed once more.
    """
    return str(uuid.uuid4())


# Bytes of a message besides its texts, at most: tags, lengths, times and flags.
_BESIDE_TEXT, _BESIDE_ATTRIBUTE = 64, 24


@dataclass(frozen=True, slots=True)
class DialRequest:
    """One person to dial.

    The gateway judges the values themselves and answers a wrong one as REJECTED. Refused here is only what
    could not be sent: ValueError for an `expires_at` without a time zone and for text that is not Unicode,
    TypeError for what is no text. Neither names the value.
    """

    client_token: str
    """Your name for this dial, unique in its campaign; see `new_client_token`."""
    phone_number: str = field(repr=False)
    """E.164: '+', country code and number, no spaces or dashes."""
    expires_at: datetime
    """When this dial is no longer wanted. Some minutes ahead is good; beyond 15 Connect may refuse it."""
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Contact attributes for the contact flow; copied, so that yours may change afterwards."""
    traceparent: str | None = None
    """W3C trace context of this one request, where it differs from that of the whole call."""
    in_doubt: bool = False
    """Set this if you may have sent this token before and have no final answer to it, for example after a
    crash. Amazon Connect may have it then, so the answer is ACCEPTED or UNKNOWN, never a denial. Within one
    `dial()` or `put()` the client sets it itself for what it sends again."""
    most_bytes: int = field(init=False, repr=False, compare=False)
    """The bytes that it takes in a message, at most: its UTF-8 text and a generous overhead."""

    def __post_init__(self) -> None:
        size = _text_bytes("client_token", self.client_token)
        size += _text_bytes("phone_number", self.phone_number)
        if not isinstance(self.expires_at, datetime):
            raise TypeError(f"expires_at must be a datetime, not {type(self.expires_at).__name__}")
        if self.expires_at.utcoffset() is None:
            raise ValueError("expires_at has no time zone: a time without one means another hour elsewhere")
        if self.traceparent is not None:
            size += _text_bytes("traceparent", self.traceparent)
        attributes = dict(self.attributes)
        for key, value in attributes.items():
            size += _text_bytes("a key of attributes", key) + _text_bytes("a value of attributes", value)
        object.__setattr__(self, "attributes", attributes)
        object.__setattr__(self, "most_bytes", size + _BESIDE_TEXT + _BESIDE_ATTRIBUTE * len(attributes))


def _text_bytes(name: str, value: object) -> int:
    """Return the bytes of a text. Refuses what protobuf would refuse later, with the value in its message."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}")
    if value.isascii():
        return len(value)
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        # Not chained: the original carries the value.
        raise ValueError(f"{name} is not valid Unicode text") from None


@dataclass(frozen=True, slots=True)
class DialResult:
    """The one answer to one dial request."""

    client_token: str
    """The token of the request that this answers."""
    index: int
    """Zero-based position of the request in this `dial()` or `put()`; tells equal tokens apart."""
    outcome: Outcome
    """What became of the request."""
    dial_request_id: str = ""
    """Amazon Connect's id of the dial request, when accepted."""
    reason: Reason = Reason.UNSPECIFIED
    """Why, for every outcome but ACCEPTED."""
    detail: str = ""
    """The reason in words for a person, not for parsing. Holds no phone number and no attribute."""
    retry_advice: RetryAdvice = RetryAdvice.UNSPECIFIED
    """Whether and how to send this dial again."""
    retry_after: timedelta | None = None
    """How long to wait before sending it again, where the gateway can tell."""
    attempts: int = 0
    """How many calls to Amazon Connect have carried the request."""
    replayed: bool = False
    """True when the token had been accepted before and this is that answer, told again."""
    trace_id: str = ""
    """The trace in which this was decided, 32 hexadecimal digits."""
    unnamed: tuple[tuple[str, int], ...] = ()
    """Numbers of a newer gateway that this client has no name for, as ("outcome", 7). An unknown outcome
    reads as UNKNOWN, an unknown reason or advice as UNSPECIFIED."""

    @property
    def accepted(self) -> bool:
        """Whether Amazon Connect has the request."""
        return self.outcome is Outcome.ACCEPTED


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the gateway tells beside results. It is safe to ignore."""

    kind: NoticeKind
    """What it is about."""
    campaign_id: str = ""
    """The campaign it is about; empty when it is about the whole gateway."""
    retry_after: timedelta | None = None
    """When it may be over, where the gateway can tell."""
    detail: str = ""
    """The same in words for a person, not for parsing."""
