"""The data of the core: dial requests, their waiters, batches, call reports and answers."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from gateway.core.attributes import Attributes
from gateway.core.channels import Channel
from gateway.core.entry_protocols import AllowingVerdict, TraceHandle
from gateway.core.entry_state import EntryState
from gateway.core.errors import CallFailure

BATCH_LIMIT = 25
"""Items in one PutDialRequestBatch call at most (botocore model `connectcampaigns/2021-01-30`)."""
BATCH_BYTES = 1_048_576
"""Bytes of dial requests in one call at most, unless the first alone is larger. AWS publishes no limit for
the body of this call: the limit bounds the memory of calls in flight."""


class Outcome(enum.IntEnum):
    """The outcome of a dial request. The numbers are the wire contract's."""

    ACCEPTED = 1
    REJECTED = 2
    EXPIRED = 3
    NOT_ACCEPTED = 4
    UNKNOWN = 5

    __hash__ = int.__hash__  # Enum's own hash is written in Python, and these are keys on the hot path


DENIALS = frozenset({Outcome.REJECTED, Outcome.EXPIRED, Outcome.NOT_ACCEPTED})
"""Outcomes that say that Connect does not have the request."""
DOUBT = "an earlier attempt may have reached Amazon Connect"
"""Added to the detail of an answer that would be a denial without the earlier attempt."""


class Reason(enum.IntEnum):
    """Why a dial request was not accepted. The numbers are the wire contract's."""

    NONE = 0
    INVALID_REQUEST = 1
    INVALID_INPUT = 2
    TOKEN_CONFLICT = 3
    CAMPAIGN_NOT_FOUND = 4
    CAMPAIGN_NOT_RUNNING = 5
    ACCESS_DENIED = 6
    EXPIRATION_PASSED = 7
    WOULD_EXPIRE = 8
    THROTTLED = 9
    CONNECT_ERROR = 10
    CONNECT_UNREACHABLE = 11
    DRAINING = 12
    HELD = 13
    PURGED = 14
    OVERLOADED = 15
    DEADLINE = 16
    OUTSIDE_CALLING_HOURS = 17
    SUPPRESSED = 18
    CONTACT_LIMIT = 19
    NUMBER_NOT_ALLOWED = 20

    __hash__ = int.__hash__  # for the same reason as that of Outcome


class RetryAdvice(enum.IntEnum):
    """Whether and how the caller may send the request again. The numbers are the wire contract's."""

    NONE = 0
    SAME_TOKEN = 1
    NEW_TOKEN = 2
    NEVER = 3


class Priority(enum.IntEnum):
    """The priority of dial requests, the most urgent first."""

    HIGH = 0
    NORMAL = 1
    BULK = 2

    __hash__ = int.__hash__  # for the same reason as that of Outcome


class NoticeKind(enum.IntEnum):
    """What a notice is about. The numbers are the wire contract's."""

    DRAINING = 1
    CAMPAIGN_COOLING = 2
    CAMPAIGN_PARKED = 3
    CAMPAIGN_HELD = 4
    CAMPAIGN_RESUMED = 5


class CampaignNotice(NamedTuple):
    """A notice about a campaign for callers; `retry_after_s` is None if it is not known."""

    kind: NoticeKind
    retry_after_s: float | None
    detail: str


class ItemFailure(enum.Enum):
    """Why Connect refused one item of a call that it otherwise carried out.

    Codes: botocore models `connectcampaigns/2021-01-30` (V1) and `connectcampaignsv2/2024-04-23` (V2). Their
    meanings: AWS's best practices for PutDialRequestBatch, and the API reference of V2.
    """

    INVALID_INPUT = "InvalidInput"
    # V1 RequestThrottled, V2 BufferLimitExceeded: too few agents or lines for more pending dials.
    CAPACITY = "capacity"
    RATE = "rate"  # V2 RequestThrottled: excessive usage, as with a call that is throttled
    UNKNOWN_ERROR = "UnknownError"  # and every code that this version does not know


class FlushReason(enum.Enum):
    """Why a batch left when it did."""

    FULL = "full"
    LINGER = "linger"
    CLOSED = "closed"  # all its callers have half-closed, so no more requests can come
    SUSPECT = "suspect"  # sent without others, to find the item that makes Connect refuse a whole call
    PROBE = "probe"  # small, to find out whether Connect accepts the campaign's calls again
    DRAIN = "drain"


@dataclass(slots=True, repr=False, eq=False)
class DialRequest:
    """One person to dial or to send a message to, as a caller asked for it. Immutable by convention.

    `expiration` is in seconds since the epoch; None if the caller has given none, which is refused.
    `size_bytes` is about its size in memory, for the memory bound. `in_doubt`: the caller says that an
    earlier attempt may have reached Connect, so the answer is ACCEPTED or UNKNOWN. `channel` is None for a
    telephone call with the settings of its campaign. An e-mail has its address in the channel, and no phone
    number.
    """

    campaign_id: str
    client_token: str
    phone_number: str
    attributes: Attributes
    expiration: float | None
    size_bytes: int
    in_doubt: bool = False
    channel: Channel | None = None

    def __repr__(self) -> str:
        """Leave out phone number, attributes and channel, which are personal data."""
        return f"DialRequest(campaign_id={self.campaign_id!r}, client_token={self.client_token!r})"

    @property
    def expires_at(self) -> float:
        """The expiration on the scale of expiries (`scheduling/expiry.py`); 0 if there is none."""
        return self.expiration or 0.0

    def same_dial(self, other: "DialRequest") -> bool:
        """Whether both ask for the same dial: the same number, attributes and channel."""
        return (
            self.phone_number == other.phone_number
            and self.attributes == other.attributes
            and self.channel == other.channel
        )

    def fingerprint(self) -> int:
        """Return a hash of number, attributes and channel; equal dials have equal hashes.

        It differs between processes, and between packed attributes and others.
        """
        attributes, channel = self.attributes, self.channel
        number = hash(self.phone_number) if channel is None else self._hash_with(channel)
        if isinstance(attributes, bytes):
            return number ^ hash(attributes)
        for attribute in attributes.items():
            number ^= hash(attribute)  # independent of their order
        return number

    def _hash_with(self, channel: Channel) -> int:
        return hash((self.phone_number, channel.parts()))


class Departure(enum.Enum):
    """How a source leaves while some of its dial requests are outstanding."""

    ENDING = "ending"
    """Its stream ends: each request is answered, and those in no call are not sent."""
    GONE = "gone"
    """Its caller is gone: its requests are neither answered nor sent."""


class AnswerRecipient(Protocol):
    """The shell's object that receives the answers and notices of a source. The core never calls it."""

    def deliver(self, settled: "Settled") -> None:
        """Take one answer; must not wait or raise."""

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Take a notice about a campaign; must not wait or raise."""


class EntryQueue(Protocol):
    """A queue of the scheduler (`scheduling.source_queue.SourceQueue`), as the rest of the core sees it.

    `source` is None for the queue of suspects, `waiting` counts the entries in it.
    """

    source: "Source | None"
    waiting: int

    def ahead_of(self, expires_at: float) -> int:
        """Return about how many would go before an entry that expires at `expires_at`."""


class _NullRecipient:
    """Drops all answers and notices."""

    def deliver(self, settled: "Settled") -> None:
        """Drop an answer."""

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Drop a notice."""


NOBODY = _NullRecipient()
"""The owner of a source that needs no answers."""


@dataclass(slots=True, eq=False)
class Source:
    """A stream or a unary call: it sends dial requests and waits for their answers.

    `owner` receives its answers and notices. `caller` names who opened it: callers share calls fairly,
    however many sources each has. `weight` is how many calls its caller makes in each turn, and how many dial
    requests of its own go in each turn among the sources of that caller. `pending` holds the entries that it
    waits for, by the index of its dial request. `queues` are its queues, by campaign and priority.
    `noticed` holds the campaigns for which it got a notice that they do not flow. `departure` is None while
    it stays.
    """

    owner: AnswerRecipient = NOBODY
    caller: str = ""
    closed: bool = False
    weight: int = 1
    pending: dict[int, "Entry"] = field(default_factory=dict, repr=False)
    queues: dict[tuple[str, Priority], EntryQueue] = field(default_factory=dict, repr=False)
    noticed: set[str] = field(default_factory=set, repr=False)
    departure: Departure | None = None


@dataclass(slots=True, eq=False)
class Waiter:
    """One dial request of one source, which must be answered under an index of the source.

    `span` is None if its trace is not sampled. `read_at` is when the shell read the request; it is for the
    shell, and the same object for all requests of a list.
    """

    source: Source
    index: int
    trace_id: str = ""
    span: TraceHandle | None = None
    read_at: float = 0.0


@dataclass(slots=True, eq=False)
class Entry:
    """An outstanding dial request and its waiters.

    `expires_at` is the expiration of the request, or closing time if the guard lets it be sent only until
    then. It is the request's own number, since another for each takes 32 bytes.
    `attempts` counts the calls that carried it, `counted_attempts` those that count against the limit.
    `in_doubt` is set, and stays set, once the result of a call is not known, or if one of its waiters says
    that it is in doubt. From then on the answer is ACCEPTED or UNKNOWN. A `suspect` is sent only with other
    suspects, or alone. `arrived_at` is when it last began to wait. `awaited_by` is its waiter, or a list once
    another has joined or left: a list, or a tuple, for each would take 64 bytes more. Only `entry_state.move`
    and `move_all` change the `state`. `verdict` is why the guard lets it be sent, None without a guard, and
    `decided_in` the generation of the guard that has decided so.
    """

    request: DialRequest
    expires_at: float
    awaited_by: Waiter | list[Waiter]
    priority: Priority = Priority.NORMAL
    state: EntryState = EntryState.UNQUEUED
    queue: EntryQueue | None = None
    arrived_at: float = 0.0
    attempts: int = 0
    counted_attempts: int = 0
    in_doubt: bool = False
    suspect: bool = False
    refusal: Reason = Reason.NONE
    verdict: AllowingVerdict | None = None
    decided_in: int = 0

    @property
    def waiters(self) -> Sequence[Waiter]:
        """All waiters."""
        awaited_by = self.awaited_by
        return awaited_by if isinstance(awaited_by, list) else (awaited_by,)

    def first_source(self) -> Source:
        """Return the source of the first waiter; there must be one."""
        awaited_by = self.awaited_by
        return (awaited_by[0] if isinstance(awaited_by, list) else awaited_by).source

    def request_to_send(self) -> DialRequest:
        """Return the request as Amazon Connect gets it: it must not be dialed after closing time."""
        request, verdict = self.request, self.verdict
        if verdict is None or request.expiration is None:
            return request
        expiration = verdict.expiration(request.expiration)
        return request if expiration >= request.expiration else replace(request, expiration=expiration)


@dataclass(slots=True, eq=False)
class Answer:
    """The answer to one dial request. `retry_after_s` is None if it is not known."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    advice: RetryAdvice = RetryAdvice.NONE
    detail: str = ""
    dial_request_id: str = ""
    retry_after_s: float | None = None
    attempts: int = 0
    replayed: bool = False
    trace_id: str = ""


class Settled(NamedTuple):
    """An answer and its recipient.

    It does not refer to the request: answers may wait long until they are read.
    """

    waiter: Waiter
    campaign_id: str
    client_token: str
    answer: Answer


def addressed(waiter: Waiter, request: DialRequest, answer: Answer) -> Settled:
    """Return the answer to one waiter of a request; a request in doubt is never denied."""
    if request.in_doubt and answer.outcome in DENIALS:
        answer = answer_in_doubt(answer)
    return Settled(waiter, request.campaign_id, request.client_token, answer)


def answer_in_doubt(denial: Answer) -> Answer:
    """Return the answer for all attempts at a request, if `denial` is certain for the present one only."""
    return replace(
        denial,
        outcome=Outcome.UNKNOWN,
        advice=RetryAdvice.SAME_TOKEN,
        detail=f"now {denial.outcome.name}: {denial.detail}; {DOUBT}",
    )


@dataclass(slots=True, eq=False)
class Batch:
    """The dial requests of one call, all of one campaign, with distinct tokens.

    `give_up_at` is the instant, on the scale of expiries, after which the call must not be sent (again),
    `attempts_left` how often it may be tried, `size_bytes` the size of what it carries. Once it is
    `revoked`, no more bytes of it may leave. If it is also `purged`, the requests that it leaves undecided
    are answered instead of waiting for another call.
    """

    number: int
    campaign_id: str
    entries: list[Entry]
    flush: FlushReason
    formed_at: float
    give_up_at: float
    attempts_left: int
    size_bytes: int = 0
    revoked: bool = False
    purged: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class CallReport:
    """How a call, with all its attempts, ended.

    Without `failure` Connect answered item by item. `attempts` counts all, `counted_attempts` those that
    count against the limit of attempts; `unused` counts the permits of attempts of which no byte left;
    `uncertain` says that at least one attempt may have been carried out though its answer was not clear.
    `started_at` is when the last attempt left.
    """

    accepted: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, ItemFailure] = field(default_factory=dict)
    failure: CallFailure | None = None
    attempts: int = 1
    counted_attempts: int = 1
    unused: int = 0
    uncertain: bool = False
    started_at: float = 0.0
    trace_id: str = ""
