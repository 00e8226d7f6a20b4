"""Runs a gateway as a process: until a signal or a bug ends it, and then to the exit code."""

import asyncio
import logging
import signal
from collections.abc import Callable

from gateway.app import Gateway
from gateway.runtime import logs
from gateway.runtime.memory import configure_collector
from gateway.runtime.supervision import trace_of
from gateway.settings import Settings

log = logging.getLogger(__name__)

CLEAN, FORCED, BROKEN = 0, 1, 70
"""Exit codes: stopped cleanly; a second signal cut the drain short; the gateway itself failed."""
LONGEST_FAILING_S = 10.0
"""The process ends at most this many seconds after a bug, even if work is left."""


async def serve(gateway: Gateway, settings: Settings, on_start: Callable[[int], None]) -> int:
    """Run a gateway until a signal or a bug ends it; return the exit code."""
    logs.watch_loop(asyncio.get_running_loop())
    logs.name_campaigns(gateway.directory.name_of)
    signals = _Signals(gateway)  # before the start: a signal during it is handled after it
    configure_collector()  # before any caller could notice how long it takes
    on_start(await gateway.start())
    failed = asyncio.create_task(gateway.failed())
    draining = asyncio.create_task(_drain_when_asked(gateway, signals, settings.drain_grace))
    await asyncio.wait([failed, draining], return_when=asyncio.FIRST_COMPLETED)
    if not failed.done() and draining.exception() is None:
        failed.cancel()
        return FORCED if signals.forced else CLEAN
    if draining.done() and (bug := draining.exception()) is not None:
        log.critical("the shutdown failed because of a bug:\n%s", trace_of(bug))
    draining.cancel()
    await _fail(gateway)
    return BROKEN


async def _drain_when_asked(gateway: Gateway, signals: "_Signals", grace_s: float) -> None:
    await signals.first.wait()
    log.info("draining: taking no more dial requests, sending what can be sent", extra={"grace_s": grace_s})
    await gateway.stop(grace_s)
    log.info("stopped")


async def _fail(gateway: Gateway) -> None:
    try:
        async with asyncio.timeout(LONGEST_FAILING_S):
            await gateway.fail()
    except Exception as bug:  # noqa: BLE001 - the process ends in any case
        log.critical("the shutdown after a bug met another:\n%s", trace_of(bug))


class _Signals:
    """SIGTERM and SIGINT: the first asks the gateway to drain, the second to stop at once.

    SIGUSR1 asks for a line of the log about what it holds. SIGHUP has the files read again that have changed.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.first = asyncio.Event()
        self.forced = False
        self._gateway = gateway
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._received)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, gateway.log_state)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)

    def _hung_up(self) -> None:
        log.info("SIGHUP: reading files again that have changed")
        self._gateway.reread()

    def _received(self) -> None:
        if self.first.is_set():
            self.forced = True
            log.warning("a second signal: stopping at once")
            self._gateway.abandon()
        self.first.set()
