"""Between protobuf and the core's model, both ways; nothing else knows both."""

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.core.model import CampaignNotice, DialRequest, NoticeKind, Priority, Settled

LATEST_S = 253_402_300_800
"""The end of the year 9999, in seconds since the epoch: protobuf's own bound on timestamps."""
TOKEN_ALONE = 1000
"""Answers whose token has more characters than this are sent in a separate message; a legal token has at
most 200."""
KEYS_SHARED, LONGEST_SHARED = 1000, 100
"""Keys of attributes of which one object serves all requests, at most, and their characters."""
_shared: dict[str, str] = {}


def dial_request(campaign_id: str, message: pb.DialRequest, expiry_offset: float) -> DialRequest:
    """Convert one dial request; validation checks it later.

    `expiry_offset` is what to add to seconds since the epoch to get the instant on the scale of expiries.
    """
    expiration, values = _expiration(message), message.attributes
    # The same few keys come with every request: one object for each serves all that are held.
    attributes = {_shared.get(key) or _to_be_shared(key): values[key] for key in values}
    return DialRequest(
        campaign_id,
        message.client_token,
        message.phone_number,
        attributes,
        expiration,
        0.0 if expiration is None else expiration + expiry_offset,
        message.ByteSize() + sum(_beyond_the_wire(value) for value in attributes.values()),
        message.in_doubt,
    )


def responses(answers: Iterable[Settled]) -> list[pb.StreamDialRequestsResponse]:
    """Return the messages that carry the answers: one for each campaign, and one for each overlong token.

    Only a refused request has such a token. Many of them in one message could exceed what the caller can
    receive.
    """
    by_campaign: dict[str, list[pb.DialResult]] = {}
    alone: list[Settled] = []
    for settled in answers:
        if len(settled.client_token) > TOKEN_ALONE:
            alone.append(settled)
            continue
        by_campaign.setdefault(settled.campaign_id, []).append(result(settled))
    return [
        pb.StreamDialRequestsResponse(campaign_id=campaign_id, results=results)
        for campaign_id, results in by_campaign.items()
    ] + [
        pb.StreamDialRequestsResponse(campaign_id=settled.campaign_id, results=[result(settled)])
        for settled in alone
    ]


def result(settled: Settled) -> pb.DialResult:
    """Return the result message of one answer."""
    waiter, _, client_token, answer = settled
    return pb.DialResult(
        client_token=client_token,
        index=waiter.index,
        outcome=answer.outcome,  # type: ignore[arg-type] # the model's numbers are the contract's
        dial_request_id=answer.dial_request_id,
        reason=answer.reason,  # type: ignore[arg-type]
        detail=answer.detail,
        retry_advice=answer.advice,  # type: ignore[arg-type]
        retry_after=_duration(answer.retry_after_s),
        attempts=answer.attempts,
        replayed=answer.replayed,
        trace_id=answer.trace_id or waiter.trace_id,
    )


def notice(campaign_id: str, told: CampaignNotice) -> pb.StreamDialRequestsResponse:
    """Return a message with a notice; `campaign_id` is empty for one about the whole gateway."""
    return pb.StreamDialRequestsResponse(
        campaign_id=campaign_id,
        notice=pb.Notice(
            kind=told.kind,  # type: ignore[arg-type]
            retry_after=_duration(told.retry_after_s),
            detail=told.detail,
        ),
    )


def priority(number: int) -> Priority:
    """Return the priority of a message; one that this version does not know is the usual."""
    return _PRIORITIES.get(number, Priority.NORMAL)


_PRIORITIES: dict[int, Priority] = {pb.PRIORITY_HIGH: Priority.HIGH, pb.PRIORITY_BULK: Priority.BULK}

DRAINING = CampaignNotice(
    NoticeKind.DRAINING,
    None,
    "this replica is leaving: open a new stream and send there what has no result here",
)

AGED = CampaignNotice(
    NoticeKind.DRAINING,
    None,
    "this stream has reached its age: open a new one and send there what has no result here",
)


def _to_be_shared(key: str) -> str:
    """Return a key, kept for the requests to come. Callers choose keys: so Python 3.12 must not intern them.

    It would keep each for as long as the process runs.
    """
    if len(key) <= LONGEST_SHARED:
        if len(_shared) >= KEYS_SHARED:
            _shared.clear()
        _shared[key] = key
    return key


def _beyond_the_wire(text: str) -> int:
    """Return what a text takes in memory beyond its size on the wire: one wide character widens all."""
    return 0 if text.isascii() else 4 * len(text)


def _expiration(message: pb.DialRequest) -> float | None:
    if not message.HasField("expiration_time"):
        return None
    seconds, nanos = message.expiration_time.seconds, message.expiration_time.nanos
    instant = seconds + nanos * 1e-9  # which may round up to the next second
    legal = seconds >= 0 and 0 <= nanos < 1_000_000_000 and instant < LATEST_S
    return instant if legal else None


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
