"""The streams that are open: how many there may be, how old they get, and how they are asked to leave.

A stream that has reached its age is told, read no more, and answered: what it has sent may still
be dialed for a grace time, then what is not in flight is given back. One that has half-closed ends
by itself, and is left alone: it brings no more load, and its answers are on their way.
"""

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial

from gateway.api.caller_limits import CallerLimit
from gateway.api.session import Session
from gateway.api.wire import dial_requests
from gateway.runtime.supervision import Supervisor

YOUNGEST, OLDEST = 0.8, 1.2
"""The age at which a stream ends, as shares of the age that is set: streams that began together part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """The bounds that hold in the API. `max_age_s` is None for streams that may live for ever.

    `window` is what one stream may have unanswered, `caller_window` what one caller may, over all its
    streams; `streams` and `caller_streams` are how many may be open in all, and of one caller; a unary
    call is taken where fewer of both kinds are open than that.
    """

    window: int = 5000
    caller_window: int = 100_000
    streams: int = 4000
    caller_streams: int = 2000
    max_age_s: float | None = 1200.0
    grace_s: float = 25.0


@dataclass(slots=True, eq=False)
class _Open:
    session: Session
    reader: "asyncio.Task[None]"
    share: CallerLimit
    alarm: asyncio.TimerHandle | None = None
    leaving: "asyncio.Task[None] | None" = field(default=None)


class OpenStreams:
    """Every stream from its first message to its end."""

    def __init__(self, limits: StreamLimits, rng: random.Random, supervisor: Supervisor) -> None:
        self._limits = limits
        self._rng = rng
        self._supervisor = supervisor
        self._open: dict[Session, _Open] = {}
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def sessions(self) -> list[Session]:
        """Return the session of each."""
        return list(self._open)

    def refusal(self, share: CallerLimit) -> str | None:
        """Return why the owner of a share may open no further stream now, or None where it may."""
        if share.streams >= self._limits.caller_streams:
            return f"this caller has {share.streams:,} streams open, which is all it may; close some"
        if len(self._open) >= self._limits.streams:
            return f"the gateway has {self._limits.streams:,} streams open, which is all it takes"
        return None

    def add(self, session: Session, reader: "asyncio.Task[None]", share: CallerLimit) -> None:
        """Enter a stream that has begun, and its reader."""
        stream = self._open[session] = _Open(session, reader, share)
        share.streams += 1
        if self._limits.max_age_s is not None:
            age_s = self._limits.max_age_s * self._rng.uniform(YOUNGEST, OLDEST)
            retire = self._supervisor.guarded(partial(self._retire, stream))
            stream.alarm = asyncio.get_running_loop().call_later(age_s, retire)

    def remove(self, session: Session) -> None:
        """Let go of a stream that has ended, in whichever way."""
        stream = self._open.pop(session)
        stream.share.streams -= 1
        stream.reader.cancel()
        if stream.alarm is not None:
            stream.alarm.cancel()
        if stream.leaving is not None:
            stream.leaving.cancel()
        if not self._open:
            self._none_left.set()

    def drain(self) -> None:
        """Tell every stream that the gateway leaves, and read no more from any."""
        for stream in self._open.values():
            stream.session.drain(dial_requests.DRAINING)
            stream.reader.cancel()

    async def ended(self) -> None:
        """Wait until no stream is left."""
        while self._open:
            self._none_left.clear()
            await self._none_left.wait()

    def _retire(self, stream: _Open) -> None:
        if stream.session.half_closed or stream.session.draining:
            return
        if not stream.session.drain(dial_requests.AGED):
            stream.reader.cancel()
        stream.leaving = asyncio.create_task(self._give_grace(stream), name="stream-leaving")
        self._supervisor.watch(stream.leaving)

    async def _give_grace(self, stream: _Open) -> None:
        """Answer what is left of a stream at the end of its grace; its end cancels this."""
        await asyncio.sleep(self._limits.grace_s)
        stream.session.let_go()
        stream.reader.cancel()
