"""The answers for requests in doubt: see docs/decisions/0014 of the gateway.

A request that was sent on a connection which ended before it was answered may be at Amazon Connect. So may
one that was answered UNKNOWN. The next gateway, perhaps another replica, does not know that, so the request
is sent with `in_doubt` from then on. A gateway older than that field answers only for its own attempt: its
REJECTED, EXPIRED or NOT_ACCEPTED would say that nobody is dialed while a phone rings. `truthful` replaces
such an answer by UNKNOWN.
"""

from __future__ import annotations

from dataclasses import replace

from dialgateway.errors import ProtocolError
from dialgateway.values import DialRequest, DialResult, Outcome, Reason, RetryAdvice

# What a stream remembers of tokens in doubt beyond those that are under way: some megabytes at most.
_REMEMBERED = 10_000


class Doubts:
    """The tokens whose fate is not known: the newest `_REMEMBERED`, and never fewer than are under way."""

    def __init__(self, under_way: int) -> None:
        self._most = max(_REMEMBERED, 5 * under_way)
        self._tokens: dict[str, None] = {}

    def add(self, client_token: str) -> None:
        """Note that Amazon Connect may have the request of this token."""
        self._tokens.pop(client_token, None)
        self._tokens[client_token] = None
        if len(self._tokens) > self._most:
            del self._tokens[next(iter(self._tokens))]

    def marked(self, request: DialRequest) -> DialRequest:
        """Return the request to send, marked if it is in doubt."""
        if request.client_token not in self._tokens or request.in_doubt:
            return request
        return replace(request, in_doubt=True)

    def about(self, request: DialRequest) -> bool:
        """Whether Amazon Connect may have it, by an earlier attempt."""
        return request.in_doubt or request.client_token in self._tokens


def truthful(result: DialResult, *, in_doubt: bool) -> DialResult:
    """Return the answer that is true of all attempts together."""
    if not in_doubt or result.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}:
        return result
    detail = f"now {result.outcome}, but an earlier attempt ended without an answer"
    return replace(
        result,
        outcome=Outcome.UNKNOWN,
        retry_advice=RetryAdvice.SAME_TOKEN,
        detail=f"{detail}: {result.detail}" if result.detail else detail,
    )


def out_of_time(request: DialRequest, index: int, *, in_doubt: bool) -> DialResult:
    """Answer a request whose time has passed while the gateway could not be reached."""
    return truthful(
        DialResult(
            request.client_token,
            index,
            Outcome.EXPIRED,
            reason=Reason.EXPIRATION_PASSED,
            detail="its time passed while the gateway could not be reached",
            retry_advice=RetryAdvice.SAME_TOKEN,
        ),
        in_doubt=in_doubt,
    )


def too_large(request: DialRequest, index: int, size: int, largest: int, *, in_doubt: bool) -> DialResult:
    """Return the answer to a request of `size` bytes, more than a gateway takes."""
    return truthful(
        DialResult(
            request.client_token,
            index,
            Outcome.REJECTED,
            reason=Reason.INVALID_REQUEST,
            detail=f"dial_requests: a request must take at most {largest:,} bytes, this one takes {size:,}",
            retry_advice=RetryAdvice.NEVER,
        ),
        in_doubt=in_doubt,
    )


def overdue(request: DialRequest, index: int) -> DialResult:
    """Answer a request that was sent, whose time passed long ago, and of which nothing was heard."""
    return DialResult(
        request.client_token,
        index,
        Outcome.UNKNOWN,
        reason=Reason.CONNECT_UNREACHABLE,
        detail="its time passed long ago, and no answer came over a connection that is open",
        retry_advice=RetryAdvice.SAME_TOKEN,
    )


def matched(results: list[DialResult], requests: list[DialRequest], doubts: Doubts) -> list[DialResult]:
    """Make sure that the results of a unary call are those of its requests, in order, and are true."""
    tokens = [request.client_token for request in requests]
    if [result.client_token for result in results] != tokens:
        raise ProtocolError("the results are not those of the requests", tokens)
    pairs = zip(results, requests, strict=True)
    return [truthful(result, in_doubt=doubts.about(request)) for result, request in pairs]
