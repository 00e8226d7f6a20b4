"""The bookkeeping of one logical stream, without I/O: what was taken, what waits, what has no answer yet.

    source --take()--> waiting --next_chunk()--> on the wire --settle()--> answered

Both clients drive this one object, each with its own way to wait. It holds the whole state of a stream that
would be needed to carry on over another connection: each unanswered request, by its index.
"""

from __future__ import annotations

from collections import deque

from dialgateway.errors import ProtocolError
from dialgateway.values import DialRequest, DialResult


class Window:
    """At most `size` requests without an answer; those not yet sent leave in chunks of at most `chunk`."""

    def __init__(self, size: int, chunk: int) -> None:
        if size < 1 or chunk < 1:
            raise ValueError("window and chunk must be at least 1")
        self._size = size
        self._chunk = min(chunk, size)
        self._taken = 0
        self._unanswered: dict[int, DialRequest] = {}
        self._waiting: deque[DialRequest] = deque()
        self._source_ended = False

    @property
    def may_take(self) -> bool:
        """Whether one more request may be read from the source: there is room, and no chunk stands full."""
        return len(self._unanswered) < self._size and len(self._waiting) < self._chunk

    @property
    def may_send(self) -> bool:
        """Whether requests wait to be sent."""
        return bool(self._waiting)

    @property
    def source_ended(self) -> bool:
        """Whether the source has nothing more."""
        return self._source_ended

    @property
    def finished(self) -> bool:
        """Whether the source has ended and every request of it is answered."""
        return self._source_ended and not self._unanswered

    @property
    def unanswered(self) -> tuple[str, ...]:
        """The tokens of all requests read from the source and not answered, oldest first."""
        return tuple(request.client_token for request in self._unanswered.values())

    def take(self, request: DialRequest) -> None:
        """Enter a request read from the source; its index is its position there."""
        if not isinstance(request, DialRequest):
            raise TypeError(f"the source must give DialRequest, not {type(request).__name__}")
        self._unanswered[self._taken] = request
        self._taken += 1
        self._waiting.append(request)

    def end_source(self) -> None:
        """Note that the source has nothing more."""
        self._source_ended = True

    def next_chunk(self) -> list[DialRequest]:
        """Hand over what is to be sent next, in the source's order; empty when nothing waits."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(self._chunk, len(waiting)))]

    def settle(self, results: list[DialResult]) -> None:
        """Match each result to its request by index and token.

        Raises ProtocolError for a result that belongs to no unanswered request: going on would give the
        caller two answers for one request, or a wrong one.
        """
        unanswered = self._unanswered
        for result in results:
            request = unanswered.get(result.index)
            if request is None or request.client_token != result.client_token:
                raise ProtocolError(
                    f"a result for index {result.index} belongs to no unanswered request", self.unanswered
                )
            del unanswered[result.index]


def matched(results: list[DialResult], tokens: list[str]) -> list[DialResult]:
    """Make sure that the results of a unary call are those of its requests, in order."""
    if [result.client_token for result in results] != tokens:
        raise ProtocolError("the results are not those of the requests", tokens)
    return results
