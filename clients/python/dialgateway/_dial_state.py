"""The state of one `dial()` over any number of connections, without I/O, clock or randomness of its own.

    source --take()--> waiting --next_chunk()--> sent on a link --settle()--> answered --take_answers()-->
                          ^                            |  |
                          +---------- lost() ----------+  |   the connection ended first: in doubt
                          +---- advance() --- pausing <---+   the answer advised to send it again

A link is one connection's part: the requests sent on it without an answer, by their index on that connection.
At most one link is current: new requests go there. Other links are read until they end; they are draining or
half-closed.

Both clients drive this object, each in its own way. They call `advance()` after every event and at every
`deadline()`. Each request is answered exactly once, under its index in the source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from heapq import heappop, heappush

from dialgateway import _wire
from dialgateway._in_doubt import (
    InDoubtTokens,
    expired_result,
    overdue_result,
    result_of_all_attempts,
    too_large_result,
)
from dialgateway._link import Entry, Link, Overdue
from dialgateway._reconnection import Reconnection
from dialgateway.errors import CallFailed, ProtocolError, StreamBroken
from dialgateway.retry import NOTHING_TAKEN, RetryPolicy
from dialgateway.values import DialRequest, DialResult, Outcome


class DialState:
    """The requests of one `dial()` and its links. `failure` is the error that ends the call, if any.

    Args:
        size: how many requests may be read from the source whose answers the caller does not have yet.
        chunk: how many requests are sent in one message at most.
        policy: what is sent again, and until when.
        jitter: returns numbers from 0 to 1.
        largest: how many bytes one request may take in a message; a larger one is answered here.

    """

    def __init__(
        self,
        size: int,
        chunk: int,
        policy: RetryPolicy,
        jitter: Callable[[], float],
        largest: int = _wire.DIAL_REQUEST_BYTES,
    ) -> None:
        if size < 1 or chunk < 1:
            raise ValueError("window and chunk must be at least 1")
        self.failure: CallFailed | None = None
        self._size = size
        self._chunk = min(chunk, size)
        self._policy = policy
        self._jitter = jitter
        self._largest = largest
        self._taken = 0
        self._source_ended = False
        self._open: dict[int, Entry] = {}
        self._waiting: deque[Entry] = deque()
        self._pausing: list[tuple[float, int, Entry]] = []
        self._answers: list[DialResult] = []
        self._in_doubt = InDoubtTokens(size)
        self._links: set[Link] = set()
        self._current: Link | None = None
        self._reconnection = Reconnection(policy, jitter)
        self._overdue = Overdue()

    # --- the source ---------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether one more request may be read: the window has room, and no full chunk is waiting."""
        held = len(self._open) + len(self._answers)
        return held < self._size and len(self._waiting) < self._chunk

    def take(self, request: DialRequest, now: float, wall: float) -> None:
        """Add a request from the source. Raises TypeError for anything else.

        `wall` is `now` in seconds since the epoch. The request's expiration is given in that, and kept on
        the monotonic clock of `now`, so that a change of the system's time does not matter.
        """
        if not isinstance(request, DialRequest):
            raise TypeError(f"the source must give DialRequest, not {type(request).__name__}")
        if not self._open:
            self._reconnection.nothing_outstanding()
        entry = Entry(self._taken, request, now + (request.expires_at.timestamp() - wall))
        self._taken += 1
        self._open[entry.index] = entry
        if request.max_bytes > self._largest and (size := _wire.size_of(request)) > self._largest:
            in_doubt = self._in_doubt.includes(request)
            result = too_large_result(request, entry.index, size, self._largest, in_doubt=in_doubt)
            self._answer(entry, result)
        else:
            self._waiting.append(entry)

    def end_source(self) -> None:
        """Note that the source has no more requests."""
        self._source_ended = True

    # --- time ---------------------------------------------------------------------------------------

    def advance(self, now: float) -> bool:
        """Do the work that is due at `now`; return whether the caller must call `connect()` now."""
        while self._pausing and self._pausing[0][0] <= now:
            self._waiting.append(heappop(self._pausing)[2])
        if self.unreachable and self._reconnection.failures:  # before a failure the gateway may yet answer
            self._answer_expired(now)
            self._give_up(now)
        self._answer_overdue(now)
        wanted = self._current is None and bool(self._waiting)
        return wanted and self.failure is None and now >= self._reconnection.connect_at

    def deadline(self) -> float | None:
        """Return the time of the next call of `advance()`; None if only an event makes it necessary."""
        deadlines = [self._pausing[0][0]] if self._pausing else []
        if self.unreachable and self._current is None:
            deadlines.append(self._reconnection.connect_at)
        if self.unreachable and self._reconnection.failures:
            deadlines.append(min(entry.expires for entry in self._waiting))
            if (give_up_at := self._reconnection.give_up_at) is not None:
                deadlines.append(give_up_at)
        if self._overdue.look_at is not None:
            deadlines.append(self._overdue.look_at)
        return min(deadlines, default=None)

    # --- connections --------------------------------------------------------------------------------

    def connect(self, now: float) -> Link:
        """Return a new link, which becomes the current one."""
        link = self._current = Link()
        self._links.add(link)
        self._reconnection.connecting(now)
        return link

    def ready(self, link: Link, now: float) -> None:
        """Note that the connection of a link is made, so that requests sent from now on may arrive."""
        if link.ready_at is None:
            link.ready_at = now

    def next_chunk(self, link: Link) -> list[DialRequest]:
        """Return the next requests to send on a ready link, and note them as sent; empty for none."""
        if link is not self._current:
            return []
        chunk = self._next_entries()
        link.sent.update(enumerate(chunk, link.count))
        link.count += len(chunk)
        return [self._in_doubt.marked(entry.request) for entry in chunk]

    def may_send(self, link: Link) -> bool:
        """Whether a ready link has something to do: `half_close()`, or else `next_chunk()`."""
        return link is self._current and (bool(self._waiting) or self._all_sent)

    def half_close(self, link: Link) -> bool:
        """Half-close a link if all requests have been sent; it is then no longer current."""
        if link is not self._current or not self._all_sent:
            return False
        link.half_closed = True
        self._current = None
        return True

    def is_current(self, link: Link) -> bool:
        """Whether new requests go to this link."""
        return link is self._current

    def drain(self, link: Link, now: float) -> None:
        """Note that the gateway reads nothing more from a link: new requests go to another one."""
        if not self._policy.reconnect:
            return
        link.draining = True
        if link is self._current:
            self._current = None
            self._reconnection.drained(link, now)

    def settle(self, link: Link, results: Iterable[DialResult], now: float) -> None:
        """Match each result to its request, by its index on this link and by token.

        Raises ProtocolError for a result that belongs to no outstanding request. After it the caller could
        get two answers for one request, or a wrong one.
        """
        for result in results:
            if result.index in link.overdue:
                link.overdue.remove(result.index)
                continue
            entry = link.sent.get(result.index)
            if entry is None or entry.request.client_token != result.client_token:
                raise ProtocolError(
                    f"a result for index {result.index} belongs to no unanswered request", self.unanswered
                )
            del link.sent[result.index]
            self._reconnection.answered(link)
            self._settle_one(entry, result, now)

    def lost(self, link: Link, failure: CallFailed | None, now: float) -> None:
        """Note that a connection has ended, with `failure` or with OK. Outstanding requests wait again."""
        self._links.discard(link)
        unanswered = list(link.sent.values())
        link.sent.clear()
        if failure is None or failure.reason not in NOTHING_TAKEN:
            for entry in unanswered:
                self._in_doubt.add(entry.request.client_token)
        self._waiting.extendleft(reversed(unanswered))
        if link is self._current:
            self._current = None
        if failure is None and unanswered:
            failure = StreamBroken("the gateway ended the stream too early")
        if link.draining or failure is None or (link.half_closed and not unanswered):
            return
        if not self._reconnection.failed(link, failure, now):
            self.failure = failure

    # --- the caller ---------------------------------------------------------------------------------

    def take_answers(self) -> list[DialResult]:
        """Return the answers so far. They no longer count against the window."""
        answers, self._answers = self._answers, []
        return answers

    @property
    def has_answers(self) -> bool:
        """Whether `take_answers()` would return any."""
        return bool(self._answers)

    @property
    def finished(self) -> bool:
        """Whether the source has ended and the caller has all answers."""
        return self._source_ended and not self._open and not self._answers

    @property
    def unanswered(self) -> tuple[str, ...]:
        """The tokens of all requests without an answer, oldest first."""
        return tuple(entry.request.client_token for entry in self._open.values())

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """Those of `unanswered` that Amazon Connect may have: they were sent, or the caller says so."""
        sent = {entry.index for link in self._links for entry in link.sent.values()}
        return tuple(
            entry.request.client_token
            for entry in self._open.values()
            if entry.index in sent or self._in_doubt.includes(entry.request)
        )

    @property
    def unreachable(self) -> bool:
        """Whether requests wait and there is no connection to send them on."""
        connected = self._current is not None and self._current.ready_at is not None
        return bool(self._waiting) and not connected and self.failure is None

    # --- implementation -----------------------------------------------------------------------------

    @property
    def _all_sent(self) -> bool:
        """Whether nothing is left to send, as long as no draining link ends before its answers."""
        if not self._source_ended or self._waiting or self._pausing:
            return False
        return not any(link.sent for link in self._links if link.draining)

    def _next_entries(self) -> list[Entry]:
        """Remove and return the requests that fit into one message; at least one if any waits."""
        waiting, size = self._waiting, 0
        taken: list[Entry] = []
        while waiting and len(taken) < self._chunk:
            size += waiting[0].request.max_bytes
            if taken and size > _wire.USUAL_MESSAGE_BYTES:
                break
            taken.append(waiting.popleft())
        return taken

    def _settle_one(self, entry: Entry, result: DialResult, now: float) -> None:
        if result.outcome is not Outcome.ACCEPTED:
            if result.outcome is Outcome.UNKNOWN:
                self._in_doubt.add(result.client_token)
            if self._is_sent_again(entry, result, now):
                return
            in_doubt = self._in_doubt.includes(entry.request)
            result = result_of_all_attempts(result, in_doubt=in_doubt)
        self._answer(entry, result if result.index == entry.index else replace(result, index=entry.index))

    def _is_sent_again(self, entry: Entry, result: DialResult, now: float) -> bool:
        """Schedule a request to be sent again, if the policy and its expiration allow that."""
        pause_s = self._policy.resubmit_after_s(result, entry.tries, self._jitter())
        if pause_s is None or now + pause_s >= entry.expires:
            return False
        entry.tries += 1
        heappush(self._pausing, (now + pause_s, entry.index, entry))
        return True

    def _answer(self, entry: Entry, result: DialResult) -> None:
        del self._open[entry.index]
        self._answers.append(result)

    def _answer_expired(self, now: float) -> None:
        in_time: deque[Entry] = deque()
        for entry in self._waiting:
            if entry.expires > now:
                in_time.append(entry)
            else:
                in_doubt = self._in_doubt.includes(entry.request)
                self._answer(entry, expired_result(entry.request, entry.index, in_doubt=in_doubt))
        self._waiting = in_time

    def _answer_overdue(self, now: float) -> None:
        for entry in self._overdue.advance(self._links, now):
            self._in_doubt.add(entry.request.client_token)
            self._answer(entry, overdue_result(entry.request, entry.index))

    def _give_up(self, now: float) -> None:
        give_up_at = self._reconnection.give_up_at
        if give_up_at is not None and now >= give_up_at and self._waiting:
            self.failure = self._reconnection.unreachable_error()
