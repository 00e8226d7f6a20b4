"""The open streams: their limits in number and age, and how they end.

A stream that reaches its age limit gets a notice, and no further message is read from it. Its requests may
still be sent for a grace time. After that, the requests that are not in flight are answered NOT_ACCEPTED. The
age limit does not apply to a half-closed stream: it brings no more load and ends with its last answer.
"""

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial

from gateway.api.caller_limits import CallerLimit
from gateway.api.dial_session import DialSession
from gateway.api.wire import dial_requests
from gateway.runtime.supervision import Supervisor

YOUNGEST, OLDEST = 0.8, 1.2
"""The age limit of a stream is varied by these factors, so that streams opened together do not end
together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """The limits of streams and unary calls. `max_age_s` is None for no age limit.

    `window` is the number of unanswered requests of one stream, `caller_window` of one caller over all its
    streams. `streams` is the number of open streams in total, `caller_streams` of one caller. A unary call is
    accepted only if fewer streams and unary calls together are open.
    """

    window: int = 5000
    caller_window: int = 100_000
    streams: int = 4000
    caller_streams: int = 2000
    max_age_s: float | None = 1200.0
    grace_s: float = 25.0


@dataclass(slots=True, eq=False)
class _Open:
    session: DialSession
    reader: "asyncio.Task[None]"
    limit: CallerLimit
    alarm: asyncio.TimerHandle | None = None
    retiring: "asyncio.Task[None] | None" = field(default=None)


class OpenStreams:
    """All open streams."""

    def __init__(self, limits: StreamLimits, rng: random.Random, supervisor: Supervisor) -> None:
        self._limits = limits
        self._rng = rng
        self._supervisor = supervisor
        self._open: dict[DialSession, _Open] = {}
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def sessions(self) -> list[DialSession]:
        """Return the sessions of all streams."""
        return list(self._open)

    def refusal(self, limit: CallerLimit) -> str | None:
        """Return why a caller may open no further stream now, None if it may."""
        if limit.streams >= self._limits.caller_streams:
            return f"this caller has {limit.streams:,} streams open, which is its limit; close some"
        if len(self._open) >= self._limits.streams:
            return f"the gateway has {self._limits.streams:,} streams open, which is its limit"
        return None

    def add(self, session: DialSession, reader: "asyncio.Task[None]", limit: CallerLimit) -> None:
        """Add a stream that has begun. `reader` is the task that reads it."""
        stream = self._open[session] = _Open(session, reader, limit)
        limit.streams += 1
        if self._limits.max_age_s is not None:
            age_s = self._limits.max_age_s * self._rng.uniform(YOUNGEST, OLDEST)
            retire = self._supervisor.guarded(partial(self._retire, stream))
            stream.alarm = asyncio.get_running_loop().call_later(age_s, retire)

    def remove(self, session: DialSession) -> None:
        """Remove a stream that has ended."""
        stream = self._open.pop(session)
        stream.limit.streams -= 1
        stream.reader.cancel()
        if stream.alarm is not None:
            stream.alarm.cancel()
        if stream.retiring is not None:
            stream.retiring.cancel()
        if not self._open:
            self._none_left.set()

    def drain(self) -> None:
        """Send every stream the notice DRAINING, and stop reading."""
        for stream in self._open.values():
            stream.session.drain(dial_requests.DRAINING)
            stream.reader.cancel()

    async def ended(self) -> None:
        """Wait until no stream is open."""
        while self._open:
            self._none_left.clear()
            await self._none_left.wait()

    def _retire(self, stream: _Open) -> None:
        if stream.session.half_closed or stream.session.draining:
            return
        if not stream.session.drain(dial_requests.AGED):
            stream.reader.cancel()
        stream.retiring = asyncio.create_task(self._give_grace(stream), name="stream-retiring")
        self._supervisor.watch(stream.retiring)

    async def _give_grace(self, stream: _Open) -> None:
        """Answer the remaining requests of a stream after its grace time. Its end cancels this."""
        await asyncio.sleep(self._limits.grace_s)
        stream.session.end_soon()
        stream.reader.cancel()
