"""The composition root: one gateway, put together from the parts that `gateway.composition` builds."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence

from gateway.access.setup import Access
from gateway.admin.request_filter import is_loopback
from gateway.api.server import Keepalive
from gateway.composition.admin_port import admin_port_of
from gateway.composition.basis import Basis
from gateway.composition.campaign_names import CampaignNames
from gateway.composition.campaign_views import campaign_views_of
from gateway.composition.grpc_port import grpc_port_of
from gateway.composition.guard import GuardParts
from gateway.composition.part_settings import access_files_of, directory_of
from gateway.composition.replica import replica_of
from gateway.composition.replica_name import replica_name
from gateway.composition.shutdown import Shutdown
from gateway.composition.tasks import Tasks
from gateway.connect.port import ConnectPort
from gateway.control.audit import Audit
from gateway.control.file_watch import FileWatch
from gateway.control.fleet_snapshots import FleetSnapshots
from gateway.control.live_settings import LiveSettings
from gateway.core.engine import Engine
from gateway.directory.directory import CampaignDirectory
from gateway.directory.reader import CampaignLister
from gateway.fleet.fleet import FleetSetup
from gateway.runtime import logs
from gateway.runtime.clock import SystemClock
from gateway.runtime.memory import keep_tidy
from gateway.settings import Settings
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)

EVERYBODY = (
    "EVERYBODY who can connect may dial, and hold, release and purge campaigns: DIAL_GATEWAY_POLICY_FILE "
    "is not set and the address is not loopback; docs/policy.md tells how to say who may"
)


class Gateway:
    """One gateway: the gRPC server, the dispatcher and its core, and Connect behind a port.

    Jitter comes from `rng`; an `engine`, and times of a `keepalive`, take the place of the usual ones. With a
    `fleet` the gateway is one of its replicas. `environment` has the variables, one of which may name a
    settings file that is read again when it changes. `directory` has the names of campaigns; `listers` read
    them from Amazon Connect.
    """

    def __init__(
        self,
        settings: Settings,
        port: ConnectPort,
        telemetry: Telemetry,
        rng: random.Random | None = None,
        engine: Engine | None = None,
        clock: SystemClock | None = None,
        keepalive: Keepalive | None = None,
        fleet: FleetSetup | None = None,
        directory: CampaignDirectory | None = None,
        listers: Sequence[CampaignLister] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.basis = basis = Basis(
            settings,
            environment or {},
            port,
            telemetry,
            clock or SystemClock(),
            rng or random.Random(),
            directory or directory_of(settings),
            Audit(replica_name(settings), telemetry.event),
        )
        basis.clock.correction = lambda: port.clock_behind_s
        self.replica = replica = replica_of(basis, engine, fleet)
        self.access = access = Access(access_files_of(settings), telemetry.refused, basis.directory)
        live = LiveSettings(settings, basis.environment, self._apply, basis.audit)
        self._guard = guard = GuardParts(basis, replica)
        self.guard, self.directory = guard.keeper, basis.directory
        self._files = FileWatch(access, live, guard.keeper, None if fleet is None else fleet.tls)
        self.names = CampaignNames(basis, listers, replica)
        self.views = campaign_views_of(basis, replica)
        self.grpc = grpc_port_of(basis, replica, access, guard, self.views, keepalive)
        self.admin = admin_port_of(
            basis, replica, access, self._files, guard, self.names, self.views, self.grpc
        )
        self.admin_port = 0  # known once started
        self._tasks = Tasks(basis.supervisor)
        self._shutdown = Shutdown(basis, replica, guard, self.names, self.grpc, self.admin, self._tasks)

    @property
    def engine(self) -> Engine:
        """The core."""
        return self.replica.engine

    @property
    def requests_in_memory(self) -> int:
        """How many dial requests take memory: outstanding ones, and those with an answer not handed over yet.

        A campaign that is refused may answer 200,000 at once, which their callers read during some seconds.
        """
        unanswered = sum(limit.unanswered for _, limit in self.grpc.dial_requests.callers())
        return max(self.engine.outstanding, unanswered)

    async def start(self) -> int:
        """Serve; return the gRPC port. Raises `OSError` if the address is not available.

        Raises `AccessError` if files are not complete, or cannot be used when they are.
        """
        await self._files.settled()
        self.admin_port = await self.admin.server.start()
        await self.names.start(self._tasks)
        self._guard.start()
        try:
            port = await self.grpc.server.start()
        except OSError:
            self._tasks.cancel()
            await self.admin.server.stop()
            raise
        if self._is_open_to_all:
            log.warning(EVERYBODY)
        self._begin_tasks()
        return port

    @property
    def _is_open_to_all(self) -> bool:
        host = self.basis.settings.listen.rpartition(":")[0]
        return self.access.policy is None and not is_loopback(host)

    def _begin_tasks(self) -> None:
        begin, dispatcher = self._tasks.begin, self.replica.dispatcher
        self._shutdown.dispatching = begin(dispatcher.run(), "dispatcher", endless=True)
        begin(keep_tidy(lambda: self.requests_in_memory), "tidying", endless=True)
        for watch in (
            self.admin.monitoring.watch_lag(),
            self.admin.monitoring.push(),
            self._files.run(),
            self._guard.keeper.run(),
            dispatcher.watch_wall_clock(),
            self.admin.console.keep_history(),
        ):
            begin(watch, "watch")
        self._join_fleet()

    def _join_fleet(self) -> None:
        fleet = self.replica.fleet
        if fleet is None:
            return
        fleet.start()
        works = fleet.tasks()
        if isinstance(self.views.snapshots, FleetSnapshots):
            works.append(self.views.snapshots.publish_reports())
        for work in works:
            self._tasks.begin(work, "fleet", endless=True)

    async def failed(self) -> BaseException:
        """Wait for a bug that ends a task or a callback of the gateway; return that. It is logged."""
        return await self.basis.supervisor.failed()

    async def stop(self, grace_s: float) -> None:
        """Stop: answer everything within `grace_s` seconds, then release everything in order."""
        await self._shutdown.stop(grace_s)

    async def fail(self) -> None:
        """Stop after a bug: answer everything at once, even without the core, then release everything."""
        await self._shutdown.fail()

    def abandon(self) -> None:
        """Answer everything now. A `stop` that is running continues at once."""
        self.replica.dispatcher.abandon()

    def log_state(self) -> None:
        """Log the numbers of open streams and outstanding requests, which must not grow without load."""
        log.info(
            "state: %d tasks, %d streams, %d dial requests outstanding, "
            "%d calls in flight, %d tokens remembered",
            len(asyncio.all_tasks()),
            self.grpc.dial_requests.streams,
            self.engine.outstanding,
            self.engine.calls_in_flight,
            self.engine.remembered,
        )

    def reread(self) -> None:
        """Look at all files at once, instead of at the next regular time."""
        self._files.look()

    def _apply(self, settings: Settings) -> None:
        """Apply the settings that can change while the gateway runs."""
        self.replica.dispatcher.set_pace(
            settings.call_rate, settings.call_burst, forecasts=settings.would_expire
        )
        logs.set_level(settings.log_level)
