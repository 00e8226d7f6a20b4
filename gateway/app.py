"""The composition root: builds everything, owns the tasks, and the order of leaving."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence

from gateway.access.setup import Access
from gateway.admin.request_filter import is_loopback
from gateway.admin.server import AdminServer
from gateway.api.authorization import Authorizer
from gateway.api.campaign_service import CampaignServicer
from gateway.api.compliance_service import ComplianceServicer
from gateway.api.dial_request_service import DialRequestServicer
from gateway.api.method_handlers import campaign_handlers
from gateway.api.reflection import Reflection
from gateway.api.server import GrpcServer, Keepalive
from gateway.connect.port import ConnectPort
from gateway.connect.retry import RetryingSender
from gateway.control.audit import Audit
from gateway.control.console_view import Console
from gateway.control.file_watch import FileWatch
from gateway.control.fleet_snapshots import FleetSnapshots
from gateway.control.live_settings import LiveSettings
from gateway.control.monitoring import Monitoring
from gateway.control.operations import CampaignOperations
from gateway.control.snapshots import StatusSnapshots
from gateway.core.engine import Engine
from gateway.directory.directory import CampaignDirectory
from gateway.directory.reader import CampaignLister, DirectoryReader
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.fleet import Fleet, FleetSetup, Surroundings, build_replica
from gateway.fleet_setup import replica_name
from gateway.guard_setup import GuardParts
from gateway.part_settings import access_files_of, directory_of, limits_of, stream_limits_of
from gateway.runtime import logs
from gateway.runtime.clock import SystemClock
from gateway.runtime.memory import keep_tidy
from gateway.runtime.supervision import Supervisor, trace_of
from gateway.settings import Settings
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)

LAST_ANSWERS_S, LONGEST_LAST_ANSWERS_S = 0.4, 5.0
"""Seconds for callers to read their last answers: at least, and at most if the grace has them."""
LAST_SPANS_S = 0.4
"""Seconds to export the last spans in, at least."""
FIRST_NAMES_S = 5.0
"""Seconds that the start waits for the names of campaigns, if the policy or a route depends on them."""
EVERYBODY = (
    "EVERYBODY who can connect may dial, and hold, release and purge campaigns: DIAL_GATEWAY_POLICY_FILE "
    "is not set and the address is not loopback; docs/policy.md tells how to say who may"
)
FAILING_GRACE_S = 2.0
"""Seconds for last answers and spans after a bug."""


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
        rng = rng or random.Random()
        self._port = port
        self._telemetry = telemetry
        self._clock = clock or SystemClock()
        self._clock.correction = lambda: port.clock_behind_s
        self._supervisor = Supervisor()
        self._sender = RetryingSender(
            port, telemetry, self._clock.now, rng, expiry_now=self._clock.expiry_now
        )
        self.engine, self._dispatcher, self._fleet = self._replica(settings, engine, fleet, rng)
        self._audit = Audit(replica_name(settings), telemetry.event)
        self.directory = directory or directory_of(settings)
        self.access = Access(access_files_of(settings), telemetry.refused, self.directory)
        live = LiveSettings(settings, environment or {}, self._apply, self._audit)
        self._guard = GuardParts(
            settings,
            environment or {},
            self.directory,
            self._clock,
            self._dispatcher,
            self._audit,
            self._fleet,
        )
        self.guard = self._guard.keeper
        self._files = FileWatch(self.access, live, self.guard)
        self._names = self._names_reader(settings, listers, rng)
        self._open_to_all = self.access.policy is None and not is_loopback(settings.listen.rpartition(":")[0])
        self._snapshots, self._operations = self._campaign_parts()
        self._servicer, self._campaigns, self._server = self._grpc_parts(settings, keepalive, rng)
        self._monitoring, self._console = self._admin_parts(settings)
        self._admin = AdminServer(
            self._monitoring, self._console, settings.admin_listen, settings.admin_hosts
        )
        self._monitoring.admin_closed = lambda: self._admin.closed
        self.admin_port = 0  # known once started
        self._running: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []

    def _replica(
        self, settings: Settings, engine: Engine | None, fleet: FleetSetup | None, rng: random.Random
    ) -> tuple[Engine, Dispatcher, Fleet | None]:
        """Return the core and the dispatcher, and this replica's part of a fleet if there is one."""
        clock, port = self._clock, self._port
        if fleet is not None:
            around = Surroundings(
                self._sender,
                self._telemetry,
                self._supervisor,
                rng,
                clock.now,
                clock.gained,
                port.campaign_problem,
                port.takes_channels,
            )
            return build_replica(fleet, limits_of(settings), around)
        engine = engine or Engine(
            limits_of(settings), rng, port.campaign_problem, takes_channels=port.takes_channels
        )
        dispatcher = Dispatcher(
            engine, self._sender, self._telemetry, clock.now, self._supervisor, clock.gained
        )
        return engine, dispatcher, None

    def _grpc_parts(
        self, settings: Settings, keepalive: Keepalive | None, rng: random.Random
    ) -> tuple[DialRequestServicer, CampaignServicer, GrpcServer]:
        """Return the services of the wire contract, and the server that offers them."""
        limits, control = stream_limits_of(settings), self.access.control
        servicer = DialRequestServicer(
            self._dispatcher,
            self._telemetry,
            self._clock,
            limits,
            rng,
            self._supervisor,
            control,
            self.directory,
        )
        campaigns = CampaignServicer(
            self._dispatcher,
            self._clock,
            control,
            self._snapshots,
            self._operations,
            directory=self.directory,
        )
        keepalive = keepalive or Keepalive(settings.keepalive, settings.keepalive_timeout, limits.max_age_s)
        authorizer = Authorizer(control)
        compliance = ComplianceServicer(
            self._guard.numbers,
            self._guard.number_checks,
            self._dispatcher.check,
            lambda: self.guard.version,
            self._clock,
            authorizer,
            self.directory,
        )
        handlers = (
            servicer.handlers(),
            campaign_handlers(campaigns, authorizer),
            compliance.handlers(),
            *Reflection(authorizer).handlers(),
        )
        server = GrpcServer(handlers, settings.listen, keepalive, self.access.pair, limits.caller_streams)
        return servicer, campaigns, server

    def _admin_parts(self, settings: Settings) -> tuple[Monitoring, Console]:
        """Return what the admin port shows: health and metrics, and the console."""
        monitoring = Monitoring(
            self._dispatcher,
            self._servicer,
            self._sender.health,
            self._telemetry,
            self._clock,
            port=self._port,
            parts=self._snapshots.parts,
            files=self._files.figures,
            clock_behind=lambda: self._port.clock_behind_s,
            fleet=self._fleet,
            campaign_name=self.directory.name_of,
            directory=lambda: None if self._names is None else self._names.figures(),
            guard=self._guard.figures,
        )
        console = Console(
            self._dispatcher,
            self._servicer,
            self._sender.health,
            self._snapshots,
            self._operations,
            self._clock,
            self.access.operator_authorizer,
            self.access.control.refusals,
            settings,
            self.directory,
            replica_name(settings),
            self._guard.figures,
        )
        return monitoring, console

    def _names_reader(
        self, settings: Settings, listers: Sequence[CampaignLister], rng: random.Random
    ) -> DirectoryReader | None:
        """Return what reads the names of campaigns from Amazon Connect, None if nothing does."""
        if not listers:
            return None
        fleet = self._fleet
        return DirectoryReader(
            self.directory,
            listers,
            self._clock.now,
            interval_s=settings.campaign_directory_interval,
            rng=rng,
            replicas=lambda: 1 if fleet is None else fleet.control.replicas,
        )

    def _campaign_parts(self) -> tuple[StatusSnapshots, CampaignOperations]:
        """Return what shows campaigns and what operates on them: on all replicas of a fleet."""
        rows, now = self._dispatcher.rows, self._clock.now
        if self._fleet is None:
            snapshots = StatusSnapshots(rows, now)
            return snapshots, CampaignOperations(
                self._dispatcher.campaign_actions, snapshots, now, directory=self.directory, audit=self._audit
            )
        control = self._fleet.control
        shared = FleetSnapshots(rows, now, control, self._fleet.state)
        control.changed = shared.outdated
        return shared, CampaignOperations(
            self._dispatcher.campaign_actions, shared, now, control, self.directory, audit=self._audit
        )

    @property
    def kept(self) -> int:
        """How many dial requests take memory: outstanding ones, and those with an answer not handed over yet.

        A campaign that is refused may answer 200,000 at once, which their callers read during some seconds.
        """
        unanswered = sum(limit.unanswered for _, limit in self._servicer.callers())
        return max(self.engine.outstanding, unanswered)

    async def start(self) -> int:
        """Serve; return the gRPC port. Raises `OSError` where the address cannot be had.

        Raises `AccessError` if files are not complete, or cannot be used when they are.
        """
        await self._files.settled()
        self.admin_port = await self._admin.start()
        await self._begin_to_read_names()
        self._guard.start()
        try:
            port = await self._server.start()
        except OSError:
            for task in self._watching:
                task.cancel()
            await self._admin.stop()
            raise
        if self._open_to_all:
            log.warning(EVERYBODY)
        self._running = asyncio.create_task(self._dispatcher.run(), name="dispatcher")
        self._supervisor.watch(self._running, endless=True)
        tidying = asyncio.create_task(keep_tidy(lambda: self.kept), name="tidying")
        self._supervisor.watch(tidying, endless=True)
        watches = (
            self._monitoring.watch_lag(),
            self._monitoring.push(),
            self._files.run(),
            self.guard.run(),
            self._dispatcher.watch_wall_clock(),
            self._console.keep_history(),
        )
        for task in (watching := [asyncio.create_task(watch, name="watch") for watch in watches]):
            self._supervisor.watch(task)
        self._watching += [*watching, tidying]
        self._join_fleet()
        return port

    async def _begin_to_read_names(self) -> None:
        """Read the names of campaigns from now on; wait for the first ones if decisions depend on them."""
        if self._names is None:
            return
        reading = asyncio.create_task(self._names.run(), name="campaign-directory")
        self._supervisor.watch(reading, endless=True)
        self._watching.append(reading)
        if self.directory.needed and not await self._names.read_within(FIRST_NAMES_S):
            log.warning("the names of campaigns are not known yet, although the policy or a route uses them")

    def _join_fleet(self) -> None:
        if self._fleet is None:
            return
        self._fleet.start()
        works = self._fleet.tasks()
        if isinstance(self._snapshots, FleetSnapshots):
            works.append(self._snapshots.publish_reports())
        for work in works:
            task = asyncio.create_task(work, name="fleet")
            self._supervisor.watch(task, endless=True)
            self._watching.append(task)

    async def failed(self) -> BaseException:
        """Wait for a bug that ends a task or a callback of the gateway; return that. It is logged."""
        return await self._supervisor.failed()

    async def stop(self, grace_s: float) -> None:
        """Stop: answer everything within `grace_s` seconds, then release everything in order."""
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
        await self._release_everything(leave_by)

    async def fail(self) -> None:
        """Stop after a bug: answer everything at once, even without the core, then release everything."""
        if self._running is not None:
            self._running.cancel()
        await self._server.not_serving()
        self._campaigns.drain()
        try:
            self._dispatcher.abandon()
            await self._dispatcher.answer_abandoned()
        except Exception as bug:  # noqa: BLE001 - what the core cannot answer the sessions do
            log.error("the core could not answer what it holds:\n%s", trace_of(bug))
        await self._servicer.fail()
        await self._release_everything(self._clock.now() + FAILING_GRACE_S)

    def abandon(self) -> None:
        """Answer everything now. A `stop` that is running continues at once."""
        self._dispatcher.abandon()

    def log_state(self) -> None:
        """Log the numbers of open streams and outstanding requests, which must not grow without load."""
        log.info(
            "state: %d tasks, %d streams, %d dial requests held, %d calls under way, %d tokens remembered",
            len(asyncio.all_tasks()),
            self._servicer.streams,
            self.engine.outstanding,
            self.engine.calls_in_flight,
            self.engine.remembered,
        )

    def reread(self) -> None:
        """Look at all files at once, instead of at the next regular time."""
        self._files.look()

    def _apply(self, settings: Settings) -> None:
        """Apply the settings that can change while the gateway runs."""
        self._dispatcher.set_pace(settings.call_rate, settings.call_burst, forecasts=settings.would_expire)
        logs.set_level(settings.log_level)

    async def _release_everything(self, leave_by: float) -> None:
        if self._fleet is not None:
            await self._fleet.leave()
        left_s = leave_by - self._clock.now()
        try:
            async with asyncio.timeout(max(LAST_ANSWERS_S, min(left_s, LONGEST_LAST_ANSWERS_S))):
                await self._servicer.streams_ended()
        except TimeoutError:
            log.warning("callers that do not read their answers are cut off")
        await self._server.stop(0.1)
        for task in (self._running, *self._watching):
            if task is not None:
                task.cancel()
        if self._fleet is not None:
            await self._fleet.close()
        if self._names is not None:
            await self._names.close()
        await self._port.close()
        await self._admin.stop()
        await self._guard.close(leave_by - self._clock.now())
        left_s = leave_by - self._clock.now()
        last = await self._monitoring.last()
        await asyncio.to_thread(self._telemetry.shutdown, max(LAST_SPANS_S, left_s), last)
