"""Requests in doubt, and the answers that the client makes itself (decision 14 of the gateway).

A request is in doubt if Amazon Connect may have it: it was sent on a connection that ended before its answer,
or it was answered UNKNOWN. Another replica does not know that, so the client sends such a request with
`in_doubt` set. A gateway that is older than this field answers for its own attempt only. Its REJECTED,
EXPIRED or NOT_ACCEPTED would say that nobody is dialed, although an earlier attempt may have succeeded.
`result_of_all_attempts` replaces such an answer with UNKNOWN.
"""

from __future__ import annotations

from dataclasses import replace

from dialgateway.errors import ProtocolError
from dialgateway.values import DialRequest, DialResult, Outcome, Reason, RetryAdvice

# Tokens that a stream remembers beyond those of its outstanding requests; a few megabytes at most.
_REMEMBERED = 10_000


class InDoubtTokens:
    """The tokens of requests that Amazon Connect may have. When it is full, the oldest token is forgotten.

    Args:
        outstanding: how many requests may be without an answer; there is always room for five times as many.

    """

    def __init__(self, outstanding: int) -> None:
        self._max_tokens = max(_REMEMBERED, 5 * outstanding)
        self._tokens: dict[str, None] = {}

    def add(self, client_token: str) -> None:
        """Note that Amazon Connect may have the request with this token."""
        self._tokens.pop(client_token, None)
        self._tokens[client_token] = None
        if len(self._tokens) > self._max_tokens:
            del self._tokens[next(iter(self._tokens))]

    def marked(self, request: DialRequest) -> DialRequest:
        """Return the request to send, with `in_doubt` set if it is in doubt."""
        if request.client_token not in self._tokens or request.in_doubt:
            return request
        return replace(request, in_doubt=True)

    def includes(self, request: DialRequest) -> bool:
        """Whether Amazon Connect may have the request from an earlier attempt."""
        return request.in_doubt or request.client_token in self._tokens


def result_of_all_attempts(result: DialResult, *, in_doubt: bool) -> DialResult:
    """Return the answer that is true for all attempts of a request together."""
    if not in_doubt or result.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}:
        return result
    detail = f"now {result.outcome}, but an earlier attempt ended without an answer"
    return replace(
        result,
        outcome=Outcome.UNKNOWN,
        retry_advice=RetryAdvice.SAME_TOKEN,
        detail=f"{detail}: {result.detail}" if result.detail else detail,
    )


def expired_result(request: DialRequest, index: int, *, in_doubt: bool) -> DialResult:
    """Return the answer to a request that expired while the gateway could not be reached."""
    return result_of_all_attempts(
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


def too_large_result(
    request: DialRequest, index: int, size: int, largest: int, *, in_doubt: bool
) -> DialResult:
    """Return the answer to a request that takes `size` bytes, of `largest` that a gateway reads."""
    return result_of_all_attempts(
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


def overdue_result(request: DialRequest, index: int) -> DialResult:
    """Return the answer to a request that was sent, expired long ago and got no answer."""
    return DialResult(
        request.client_token,
        index,
        Outcome.UNKNOWN,
        reason=Reason.CONNECT_UNREACHABLE,
        detail="its time passed long ago, and no answer came over a connection that is open",
        retry_advice=RetryAdvice.SAME_TOKEN,
    )


def match_results(
    results: list[DialResult], requests: list[DialRequest], in_doubt: InDoubtTokens
) -> list[DialResult]:
    """Return the results of a unary call, corrected for requests in doubt.

    Raises ProtocolError unless they belong to the requests, in the same order.
    """
    tokens = [request.client_token for request in requests]
    if [result.client_token for result in results] != tokens:
        raise ProtocolError("the results are not those of the requests", tokens)
    pairs = zip(results, requests, strict=True)
    return [result_of_all_attempts(result, in_doubt=in_doubt.includes(request)) for result, request in pairs]
