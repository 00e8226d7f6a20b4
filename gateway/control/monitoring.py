"""Readiness and metrics of the gateway, read from its parts.

Values are read on the event loop, the campaigns in parts. A thread formats and sends them.
"""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Protocol

from gateway.admin.port import Readiness
from gateway.connect.port import ConnectPort
from gateway.connect.reachability import ConnectHealth
from gateway.control.open_calls import OpenCalls
from gateway.control.snapshots import Parts
from gateway.core.errors import ClockSkewed, CredentialsExpired, CredentialsRefused
from gateway.core.views.snapshot import Snapshot
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime import logs
from gateway.runtime.clock import SystemClock
from gateway.telemetry import (
    DirectoryFigures,
    FileFigures,
    FleetFigures,
    GuardFigures,
    Metrics,
    Observation,
    Telemetry,
    content_type_for,
    merged,
)

log = logging.getLogger(__name__)

_REFUSED = {
    CredentialsExpired.__name__: "expired: a refresh is due",
    CredentialsRefused.__name__: "AWS refuses the access key, or the signature that was made with it",
}
LAG_EVERY_S = 0.25
"""Seconds between two measurements of how late the event loop is."""
CREDENTIALS_DOUBT_S = 30.0
"""Seconds for which a gateway is not ready after AWS refused its credentials. Not longer: without requests
the gateway could not find out that AWS accepts the credentials again."""


class FleetView(Protocol):
    """The state of this replica in its fleet."""

    def in_words(self) -> tuple[bool, str]:
        """Return whether the fleet lets it send, and the state of the shared state, in words."""
        ...

    def notes(self) -> dict[str, str]:
        """Return observations for people."""
        ...

    def figures(self) -> FleetFigures:
        """Return the figures for metrics."""
        ...


class Monitoring:
    """Reads the dispatcher, the streams and the calls, and changes none of them."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        open_calls: OpenCalls,
        connect: ConnectHealth,
        telemetry: Telemetry,
        clock: SystemClock,
        *,
        port: ConnectPort,
        parts: Parts,
        files: Callable[[], FileFigures] = FileFigures,
        clock_behind: Callable[[], float] = lambda: 0.0,
        fleet: FleetView | None = None,
        campaign_name: Callable[[str], str] = lambda campaign_id: "",
        directory: Callable[[], DirectoryFigures | None] = lambda: None,
        guard: Callable[[], GuardFigures | None] = lambda: None,
    ) -> None:
        """`clock_behind` returns the seconds by which the wall clock is behind AWS's.

        `campaign_name` returns the name of a campaign, empty if it is not known. `directory` returns how
        names are read, None if they are not read from Amazon Connect. `guard` returns the figures of the
        guard, None if none decides.
        """
        self._guard = guard
        self._directory = directory
        self._campaign_name = campaign_name
        self._fleet = fleet
        self._clock_behind = clock_behind
        self._dispatcher = dispatcher
        self._open_calls = open_calls
        self._connect = connect
        self._telemetry = telemetry
        self._clock = clock
        self._files = files
        self._port = port
        self._parts = parts
        self._observing: asyncio.Task[Observation] | None = None
        self._scrapes: dict[str, asyncio.Task[bytes]] = {}
        self.admin_closed: Callable[[], dict[str, int]] = dict

    # --- readiness and metrics ---------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Return whether the gateway is ready. Failures of Connect are noted, and do not make it unready.

        Otherwise all replicas would become unready at once, and their callers would lose their answers.
        """
        draining, running = self._dispatcher.draining, self._dispatcher.running
        stalled = self._port.stalled
        fleet = self._fleet
        return Readiness(
            checks={
                "settings": (True, "read and checked at the start"),
                "credentials": self._credentials(),
                "clock": self._wall_clock(),
                "draining": (not draining, "yes" if draining else "no"),
                "dispatcher": (running, "turning" if running else "not running"),
                "threads": (
                    not stalled,
                    "all hang in abandoned calls" if stalled else "free",
                ),
                **({} if fleet is None else {"shared state": fleet.in_words()}),
            },
            notes={
                "amazon connect": self._connect.in_words(self._clock.now()),
                **({} if fleet is None else fleet.notes()),
            },
        )

    async def metrics(self, accept: str = "") -> tuple[bytes, str] | None:
        """Return all metrics in the format that `accept` asks for, and its type; None if disabled.

        Readers that ask while another is served share its text: each text takes the interpreter for a while.
        """
        metrics = self._telemetry.metrics
        if metrics is None:
            return None
        wanted = content_type_for(accept)
        scrape = self._scrapes.get(wanted)
        if scrape is None or scrape.done():
            scrape = asyncio.create_task(self._scrape(metrics, wanted), name="scrape")
            self._scrapes[wanted] = scrape
        return await asyncio.shield(scrape), wanted  # so that a cancelled reader does not stop it

    async def _scrape(self, metrics: Metrics, content_type: str) -> bytes:
        observation = await self.observe(metrics)
        return await asyncio.to_thread(lambda: metrics.text(observation, content_type).encode())

    async def observe(self, metrics: Metrics) -> Observation:
        """Read all values, and drop the counters of campaigns that have been idle for long.

        Callers that ask during a reading share its result.
        """
        if self._observing is None or self._observing.done():
            self._observing = asyncio.create_task(self._observe(metrics), name="observation")
        return await asyncio.shield(self._observing)  # so that a cancelled caller does not stop it

    async def _observe(self, metrics: Metrics) -> Observation:
        snapshot = await self._parts.run(self._survey(metrics))
        now, now_ns = self._clock.now(), self._clock.epoch_ns()
        busy = {figures.campaign_id for figures in snapshot.campaigns} | snapshot.held_s.keys()
        callers = {name for name, _ in self._open_calls.callers()}
        metrics.counters.tidy(now, now_ns, busy, callers)
        counts = metrics.counters.counts()
        return Observation(
            now_ns,
            snapshot,
            self._open_calls.figures(),
            counts,
            self._dispatcher.draining_s,
            self._connect.failing_s(now),
            self.readiness().ready,
            self._files(),
            logs.lines_dropped(),
            self._telemetry.lost,
            admin_closed=self.admin_closed(),
            clock_behind_s=self._clock_behind(),
            fleet=None if self._fleet is None else self._fleet.figures(),
            campaign_names=self._names_of(counts.campaigns),
            directory=self._directory(),
            guard=self._guard(),
        )

    async def last(self) -> Observation | None:
        """Read all values for the last push; None if metrics are not pushed."""
        metrics = self._telemetry.metrics
        return await self.observe(metrics) if metrics is not None and metrics.pushes else None

    # --- tasks -------------------------------------------------------------------------------------

    async def watch_lag(self) -> None:
        """Measure how late the event loop is, until cancelled."""
        metrics, loop = self._telemetry.metrics, asyncio.get_running_loop()
        while metrics is not None:
            due = loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            metrics.loop_lagged(loop.time() - due)

    async def push(self) -> None:
        """Push metrics at every interval until cancelled; do nothing if no exporter is configured."""
        metrics = self._telemetry.metrics
        while metrics is not None and metrics.pushes:
            await asyncio.sleep(self._telemetry.push_every_s)
            await asyncio.to_thread(metrics.push, await self.observe(metrics))

    # --- implementation ----------------------------------------------------------------------------

    def _survey(self, metrics: Metrics) -> Generator[None, None, Snapshot]:
        """Take a snapshot in parts. Campaigns without a metric label of their own are added up."""
        snapshot = yield from self._dispatcher.begin_snapshot()
        campaigns = yield from merged(snapshot.campaigns, metrics.counters.campaigns)
        return snapshot._replace(campaigns=campaigns)

    def _names_of(self, campaign_ids: Iterable[str]) -> Mapping[str, str]:
        named = ((campaign_id, self._campaign_name(campaign_id)) for campaign_id in campaign_ids)
        return {campaign_id: name for campaign_id, name in named if name}

    def _credentials(self) -> tuple[bool, str]:
        if not self._port.has_credentials:
            return False, self._port.credentials_in_words
        refused = _REFUSED.get(self._connect.authentication_failure(self._clock.now(), CREDENTIALS_DOUBT_S))
        return (False, refused) if refused is not None else (True, "found")

    def _wall_clock(self) -> tuple[bool, str]:
        if (
            self._connect.authentication_failure(self._clock.now(), CREDENTIALS_DOUBT_S)
            == ClockSkewed.__name__
        ):
            return False, "so wrong that AWS refuses signatures: set it (NTP)"
        behind_s = round(self._clock_behind())
        if behind_s:
            side = "behind" if behind_s > 0 else "ahead of"
            return True, f"{abs(behind_s)} s {side} AWS's, by which calls are signed meanwhile: set it (NTP)"
        return True, "about right, as far as AWS's is known"
