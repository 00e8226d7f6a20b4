"""The composition root: builds everything, owns the tasks and signals, and the order of leaving."""

import asyncio
import gc
import logging
import random
import signal
from collections.abc import Callable

from gateway.admin.server import AdminServer
from gateway.api.callers import OpenGate
from gateway.api.campaign_servicer import CampaignServicer
from gateway.api.server import GrpcServer
from gateway.api.servicer import DialRequestServicer
from gateway.clock import SystemClock
from gateway.connect.port import ConnectPort
from gateway.connect.retry import RetryingCaller
from gateway.core.engine import Engine, Limits
from gateway.dispatch import Dispatcher
from gateway.overview import Overview
from gateway.settings import Settings
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)

CLEAN, FORCED, BROKEN = 0, 1, 70
"""Exit codes: left cleanly; a second signal cut the leaving short; the gateway itself failed."""
LAST_ANSWERS_S, LONGEST_LAST_ANSWERS_S = 0.4, 5.0
"""Seconds for callers to read their last answers: at least, and at most if the grace has them."""
LAST_SPANS_S = 0.4
"""Seconds to export the last spans in, at least."""


def limits_of(settings: Settings) -> Limits:
    """Return what the core is told of the settings."""
    return Limits(
        call_rate=settings.call_rate,
        call_burst=settings.call_burst,
        concurrent_calls=settings.max_concurrent_calls,
        linger_s=settings.linger,
        queue_limit=settings.queue_limit,
        queue_bytes=settings.queue_bytes,
        expiry_headroom_s=settings.expiry_headroom,
        replay_window_s=settings.replay_window,
        replay_limit=settings.replay_limit,
        max_attempts=settings.max_attempts,
        forecast=settings.would_expire,
    )


class Gateway:
    """One gateway: the gRPC server, the dispatcher and its core, and Connect behind a port."""

    def __init__(
        self, settings: Settings, port: ConnectPort, telemetry: Telemetry, rng: random.Random | None = None
    ) -> None:
        rng = rng or random.Random()
        self._settings = settings
        self._port = port
        self._telemetry = telemetry
        self._clock = SystemClock()
        caller = RetryingCaller(port, telemetry, self._clock.now, rng)
        self.engine = Engine(limits_of(settings), rng)
        self._dispatcher = Dispatcher(self.engine, caller, telemetry, self._clock.now)
        self._servicer = DialRequestServicer(self._dispatcher, telemetry, self._clock, settings.stream_window)
        self._campaigns = CampaignServicer(self._dispatcher, self._clock, OpenGate())
        self._server = GrpcServer(self._servicer, self._campaigns, settings.listen)
        self._overview = Overview(
            self._dispatcher,
            self._servicer,
            caller.health,
            telemetry,
            self._clock,
            has_credentials=port.has_credentials,
        )
        self._admin = AdminServer(self._overview, settings.admin_listen)
        self.admin_port = 0  # known once started
        self._running: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        """Serve; return the gRPC port. Raises `OSError` where the address cannot be had."""
        self.admin_port = await self._admin.start()
        try:
            port = await self._server.start()
        except OSError:
            await self._admin.stop()
            raise
        self._running = asyncio.create_task(self._dispatcher.run(), name="dispatcher")
        watches = (self._overview.watch_lag(), self._overview.push())
        self._watching = [asyncio.create_task(watch, name="watch") for watch in watches]
        return port

    async def failed(self) -> BaseException:
        """Wait for the dispatcher to end, which it does of a bug only; return that."""
        if self._running is None:
            raise RuntimeError("start comes first")
        await asyncio.wait([self._running])
        error = None if self._running.cancelled() else self._running.exception()
        return error or RuntimeError("the dispatcher ended")

    async def stop(self, grace_s: float) -> None:
        """Leave: answer everything within `grace_s` seconds, then let go of everything, in order."""
        leave_by = self._clock.now() + grace_s
        await self._server.not_serving()
        self._dispatcher.drain(grace_s)
        self._servicer.drain()
        self._campaigns.drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._dispatcher.drained()
        except TimeoutError:
            self._dispatcher.abandon()
        await self._let_go(leave_by)

    def abandon(self) -> None:
        """Answer everything now; a `stop` under way goes on at once."""
        self._dispatcher.abandon()

    async def _let_go(self, leave_by: float) -> None:
        left_s = leave_by - self._clock.now()
        try:
            async with asyncio.timeout(max(LAST_ANSWERS_S, min(left_s, LONGEST_LAST_ANSWERS_S))):
                await self._servicer.streams_ended()
        except TimeoutError:
            log.warning("callers that do not read their answers are cut off")
        await self._server.stop(0.1)
        if self._running is not None:
            self._running.cancel()
        for watch in self._watching:
            watch.cancel()
        await self._port.close()
        await self._admin.stop()
        left_s = leave_by - self._clock.now()
        last = self._overview.last()
        await asyncio.to_thread(self._telemetry.shutdown, max(LAST_SPANS_S, left_s), last)


async def serve(gateway: Gateway, settings: Settings, on_start: Callable[[int], None]) -> int:
    """Run a gateway until a signal or a bug ends it; return the exit code."""
    signals = _Signals(gateway)
    on_start(await gateway.start())
    gc.freeze()  # what is there now stays: it need not be looked through again and again
    gc.set_threshold(200_000, 20, 50)
    failed = asyncio.create_task(gateway.failed())
    asked = asyncio.create_task(signals.first.wait())
    await asyncio.wait([failed, asked], return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        log.critical("the gateway failed and leaves", exc_info=failed.result())
        gateway.abandon()
        await gateway.stop(0.5)
        return BROKEN
    failed.cancel()
    log.info(
        "leaving: taking nothing more, sending what can be sent", extra={"grace_s": settings.drain_grace}
    )
    await gateway.stop(settings.drain_grace)
    log.info("left")
    return FORCED if signals.forced else CLEAN


class _Signals:
    """SIGTERM and SIGINT: the first asks the gateway to leave, the second to leave at once."""

    def __init__(self, gateway: Gateway) -> None:
        self.first = asyncio.Event()
        self.forced = False
        self._gateway = gateway
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._received)

    def _received(self) -> None:
        if self.first.is_set():
            self.forced = True
            log.warning("a second signal: leaving at once")
            self._gateway.abandon()
        self.first.set()
