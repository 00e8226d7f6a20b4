"""One logical stream over any number of connections, without I/O, clock or randomness of its own.

    source --take()--> waiting --next_chunk()--> on a link --settle()--> answered --hand_over()--> caller
                          ^                          |  |
                          +------- lost() -----------+  |   the link ended first: the request is in doubt
                          +--- advance() --- pausing <--+   the answer advised to send it again

A link is one connection's part: what was sent there and has no answer, by its index *there*. One link at most
is current, where new things go; others are being read to their end, after a DRAINING notice or a half-close.

Both clients drive this one object, each with its own way to wait. They ask `advance()` at every event and at
every `deadline()`; each request that was taken is answered exactly once, under its index in the source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from heapq import heappop, heappush

import grpc

from dialgateway import _wire
from dialgateway._link import Entry, Link, Overdue
from dialgateway._truth import Doubts, out_of_time, overdue, too_large, truthful
from dialgateway.errors import CallFailed, GatewayUnavailable, ProtocolError, StreamBroken
from dialgateway.retry import BROKEN, FINAL, RetryPolicy
from dialgateway.values import DialRequest, DialResult, Outcome

# How many connections in a row may end with an unusual status before the error is raised: our own messages
# may be the cause, and would end the next connection too.
ODD_ENDS = 5


class Delivery:
    """The state of one `dial()`: at most `size` requests without an answer delivered to the caller.

    Args:
        size: the bound of requests taken and not handed over.
        chunk: how many requests leave together at most.
        policy: what is tried again, and until when.
        jitter: gives numbers from 0 to 1.
        largest: the bytes that one request may take in a message; a larger one is answered here.

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
        self._doubts = Doubts(size)
        self._links: set[Link] = set()
        self._current: Link | None = None
        self._retry_at = 0.0
        self._overdue = Overdue()
        self._failures = 0  # connections in a row that ended before anything was heard
        self._odd_ends = 0
        self._trouble_since: float | None = None
        self._last_failure: CallFailed | None = None

    # --- the source ---------------------------------------------------------------------------------

    @property
    def may_take(self) -> bool:
        """Whether one more request may be read from the source: there is room, and no chunk stands full."""
        held = len(self._open) + len(self._answers)
        return held < self._size and len(self._waiting) < self._chunk

    def take(self, request: DialRequest, now: float, wall: float) -> None:
        """Enter a request read from the source; its index is its position there.

        `wall` is `now` in seconds since the epoch: a request's time is given in that, and kept on the
        driver's own clock, which nobody sets back.
        """
        if not isinstance(request, DialRequest):
            raise TypeError(f"the source must give DialRequest, not {type(request).__name__}")
        if not self._open:
            self._trouble_since = None  # nobody was waiting for the gateway until now
        entry = Entry(self._taken, request, now + (request.expires_at.timestamp() - wall))
        self._taken += 1
        self._open[entry.index] = entry
        if request.most_bytes > self._largest and (size := _wire.size_of(request)) > self._largest:
            doubt = self._doubts.about(request)
            self._answer(entry, too_large(request, entry.index, size, self._largest, in_doubt=doubt))
        else:
            self._waiting.append(entry)

    def end_source(self) -> None:
        """Note that the source has nothing more."""
        self._source_ended = True

    # --- time ---------------------------------------------------------------------------------------

    def advance(self, now: float) -> bool:
        """Do what time has brought; True when a connection is to be opened now, by `connect()`."""
        while self._pausing and self._pausing[0][0] <= now:
            self._waiting.append(heappop(self._pausing)[2])
        if self.unreachable and self._failures:  # before that the gateway's own clock may yet decide
            self._answer_what_is_out_of_time(now)
            self._give_up_in_time(now)
        self._answer_what_is_overdue(now)
        wanted = self._current is None and bool(self._waiting)
        return wanted and self.failure is None and now >= self._retry_at

    def deadline(self) -> float | None:
        """Return when `advance()` is to be asked again at the latest; None when only events matter."""
        deadlines = [self._pausing[0][0]] if self._pausing else []
        if self.unreachable and self._current is None:
            deadlines.append(self._retry_at)
        if self.unreachable and self._failures:
            deadlines.append(min(entry.expires for entry in self._waiting))
            if self._policy.give_up_after is not None and self._trouble_since is not None:
                deadlines.append(self._trouble_since + self._policy.give_up_after.total_seconds())
        if self._overdue.look_at is not None:
            deadlines.append(self._overdue.look_at)
        return min(deadlines, default=None)

    # --- connections --------------------------------------------------------------------------------

    def connect(self, now: float) -> Link:
        """Begin a link; from now on new things go there."""
        link = self._current = Link()
        self._links.add(link)
        if self._trouble_since is None:
            self._trouble_since = now
        return link

    def ready(self, link: Link, now: float) -> None:
        """Note that the connection of a link is there: what is sent from now on may arrive."""
        if link.ready_at is None:
            link.ready_at = now

    def next_chunk(self, link: Link) -> list[DialRequest]:
        """Hand over what is to be sent next on a link that is ready; empty when nothing is."""
        if link is not self._current:
            return []
        chunk = self._next_entries()
        link.sent.update(enumerate(chunk, link.count))
        link.count += len(chunk)
        return [self._doubts.marked(entry.request) for entry in chunk]

    def may_send(self, link: Link) -> bool:
        """Whether there is something to do on a link that is ready: `half_close()`, else `next_chunk()`."""
        return link is self._current and (bool(self._waiting) or self._complete)

    def half_close(self, link: Link) -> bool:
        """Whether a link has got all that will come; if so it is current no longer."""
        if link is not self._current or not self._complete:
            return False
        link.half_closed = True
        self._current = None
        return True

    def sends_on(self, link: Link) -> bool:
        """Whether new things go to this link."""
        return link is self._current

    def drain(self, link: Link, now: float) -> None:
        """Note that nothing more is read from a link: new things go to another one, at once."""
        if not self._policy.reconnect:
            return
        link.draining = True
        if link is not self._current:
            return
        self._current = None
        self._retry_at = now
        if not link.heard:  # it was new: another one may be told the same, so not as fast as one can
            self._pause_before_the_next(now)

    def settle(self, link: Link, results: Iterable[DialResult], now: float) -> None:
        """Match each result to its request by its index on this link, and by token.

        Raises ProtocolError for a result that belongs to no unanswered request: going on would give the
        caller two answers for one request, or a wrong one.
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
            self._hear(link)
            self._decide(entry, result, now)

    def lost(self, link: Link, failure: CallFailed | None, now: float) -> None:
        """Note that a connection has ended, by `failure` or with OK; what had no answer is sent again."""
        self._links.discard(link)
        unanswered = list(link.sent.values())
        link.sent.clear()
        for entry in unanswered:
            self._doubts.add(entry.request.client_token)
        self._waiting.extendleft(reversed(unanswered))
        if link is self._current:
            self._current = None
        if failure is None and unanswered:
            failure = StreamBroken("the gateway ended the stream too early")
        if link.draining or failure is None or (link.half_closed and not unanswered):
            return
        self._count_failure(link, failure, now)

    # --- the caller ---------------------------------------------------------------------------------

    def hand_over(self) -> list[DialResult]:
        """Hand over the answers that are there; they count against the window no longer."""
        answers, self._answers = self._answers, []
        return answers

    @property
    def has_answers(self) -> bool:
        """Whether answers are there to be handed over."""
        return bool(self._answers)

    @property
    def finished(self) -> bool:
        """Whether the source has ended, and every request of it is answered and handed over."""
        return self._source_ended and not self._open and not self._answers

    @property
    def unanswered(self) -> tuple[str, ...]:
        """The tokens of all requests read from the source and not answered, oldest first."""
        return tuple(entry.request.client_token for entry in self._open.values())

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """Those of the unanswered that Amazon Connect may have: sent, or told so by the caller."""
        sent = {entry.index for link in self._links for entry in link.sent.values()}
        return tuple(
            entry.request.client_token
            for entry in self._open.values()
            if entry.index in sent or self._doubts.about(entry.request)
        )

    @property
    def unreachable(self) -> bool:
        """Whether something is to be sent and no connection is there for it."""
        there = self._current is not None and self._current.ready_at is not None
        return bool(self._waiting) and not there and self.failure is None

    # --- inside -------------------------------------------------------------------------------------

    @property
    def _complete(self) -> bool:
        """Whether nothing more is to be sent, unless another link ends before its answers."""
        if not self._source_ended or self._waiting or self._pausing:
            return False
        return not any(link.sent for link in self._links if link.draining)

    def _next_entries(self) -> list[Entry]:
        """Remove and return the requests that fit into one message; at least one if there is any."""
        waiting, size = self._waiting, 0
        taken: list[Entry] = []
        while waiting and len(taken) < self._chunk:
            size += waiting[0].request.most_bytes
            if taken and size > _wire.USUAL_MESSAGE_BYTES:
                break
            taken.append(waiting.popleft())
        return taken

    def _decide(self, entry: Entry, result: DialResult, now: float) -> None:
        if result.outcome is not Outcome.ACCEPTED:
            if result.outcome is Outcome.UNKNOWN:
                self._doubts.add(result.client_token)
            if self._comes_back(entry, result, now):
                return
            result = truthful(result, in_doubt=self._doubts.about(entry.request))
        self._answer(entry, result if result.index == entry.index else replace(result, index=entry.index))

    def _comes_back(self, entry: Entry, result: DialResult, now: float) -> bool:
        """Hold an answer back, if its request is to be sent again in time."""
        pause_s = self._policy.resubmit_after_s(result, entry.tries, self._jitter())
        if pause_s is None or now + pause_s >= entry.expires:
            return False
        entry.tries += 1
        heappush(self._pausing, (now + pause_s, entry.index, entry))
        return True

    def _answer(self, entry: Entry, result: DialResult) -> None:
        del self._open[entry.index]
        self._answers.append(result)

    def _hear(self, link: Link) -> None:
        """Note that the gateway is there and works."""
        link.heard = True
        if not link.draining:
            self._failures = self._odd_ends = 0
            self._trouble_since = None

    def _count_failure(self, link: Link, failure: CallFailed, now: float) -> None:
        longest_s = self._policy.longest_pause.total_seconds()
        lasted = link.ready_at is not None and now - link.ready_at > longest_s
        self._odd_ends += _is_odd(link, failure, lasted=lasted)
        if not self._policy.reconnect or failure.code in FINAL or self._odd_ends >= ODD_ENDS:
            self.failure = failure
            return
        if link.heard or lasted:
            self._failures, self._trouble_since = 0, now  # it was a good one: this is the first
        self._last_failure = failure
        self._pause_before_the_next(now)

    def _pause_before_the_next(self, now: float) -> None:
        self._retry_at = now + self._policy.pause_s(self._failures, self._jitter())
        self._failures += 1

    def _answer_what_is_out_of_time(self, now: float) -> None:
        in_time: deque[Entry] = deque()
        for entry in self._waiting:
            if entry.expires > now:
                in_time.append(entry)
            else:
                doubt = self._doubts.about(entry.request)
                self._answer(entry, out_of_time(entry.request, entry.index, in_doubt=doubt))
        self._waiting = in_time

    def _answer_what_is_overdue(self, now: float) -> None:
        for entry in self._overdue.advance(self._links, now):
            self._doubts.add(entry.request.client_token)
            self._answer(entry, overdue(entry.request, entry.index))

    def _give_up_in_time(self, now: float) -> None:
        patience, since = self._policy.give_up_after, self._trouble_since
        if patience is None or since is None or now < since + patience.total_seconds() or not self._waiting:
            return
        self.failure = _unreachable(self._last_failure)


def _is_odd(link: Link, failure: CallFailed, *, lasted: bool) -> bool:
    """Whether a message of ours may have ended a connection.

    A dying gateway, or a proxy before it, ends it with a status of `BROKEN`. A message may also cause
    INTERNAL and CANCELLED, if they come soon after it and before any answer.
    """
    if failure.code not in BROKEN:
        return True
    if failure.code is grpc.StatusCode.UNAVAILABLE:
        return False
    return link.count > 0 and not link.heard and not lasted


def _unreachable(last: CallFailed | None) -> GatewayUnavailable:
    """Return the error for a gateway out of reach for too long, with the last connection's status."""
    if isinstance(last, GatewayUnavailable):
        return last
    if last is None:
        return GatewayUnavailable("UNAVAILABLE: no connection in time")
    return GatewayUnavailable(f"no connection in time; the last one ended: {last.args[0]}", code=last.code)
