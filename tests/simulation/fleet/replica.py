"""One replica of a fleet: the gateway's own core and shells, before models of Connect and the store."""

import asyncio
import random
from collections.abc import Callable

from gateway.connect.retry import RetryingSender
from gateway.core.compliance.port import RequestGuard
from gateway.core.engine import Limits
from gateway.core.fleet.messages import FleetActionKind
from gateway.fleet.assembly import ReplicaDependencies, build_replica
from gateway.fleet.fleet import FleetSetup
from gateway.fleet.member import Ended
from gateway.fleet.membership import ActionResult
from gateway.runtime.clock import SystemClock
from gateway.runtime.supervision import Supervisor
from gateway.telemetry import telemetry_with
from tests.simulation.fleet.account import Account, AccountPort
from tests.simulation.fleet.store_network import DistantState

EPOCH_S = 1_700_000_000.0
"""The wall clock at the beginning of the simulation."""
TELEMETRY = telemetry_with(metrics=False)


class Replica:
    """A process of the gateway from its start to its end. `member` names the process, `name` the replica.

    `steady_s` is what its monotonic clock shows at the beginning, `wall_error_s` how wrong its wall clock is.
    """

    def __init__(
        self,
        name: str,
        member: str,
        limits: Limits,
        account: Account,
        state: DistantState,
        rng: random.Random,
        *,
        ended: Ended | None = None,
        longest_outage_s: float = 600.0,
        steady_s: float = 0.0,
        wall_error_s: float = 0.0,
        guard: RequestGuard | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.name, self.member = name, member
        self.state = state
        self.is_gone = False
        self.port = AccountPort(account, name)
        self.clock = SystemClock(lambda: loop.time() + steady_s, lambda: EPOCH_S + loop.time() + wall_error_s)
        self.supervisor = Supervisor()
        sender = RetryingSender(self.port, TELEMETRY, self.clock.now, rng, expiry_now=self.clock.epoch_now)
        setup = FleetSetup(state, member, name, longest_outage_s, b"key", ended)
        dependencies = ReplicaDependencies(
            sender, TELEMETRY, self.supervisor, rng, self.clock.now, self.clock.gained
        )
        self.engine, self.dispatcher, self.fleet = build_replica(setup, limits, dependencies)
        if guard is not None:
            self.engine.guarding.use(guard)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start its tasks."""
        self.fleet.start()
        for work in (self.dispatcher.run(), *self.fleet.tasks()):
            task = asyncio.create_task(work, name=self.member)
            self.supervisor.watch(task)
            self._tasks.append(task)

    @property
    def bug(self) -> str | None:
        """The first bug of the gateway, None if there was none."""
        return "see the log" if self.supervisor.failing else None

    async def act(
        self, kind: FleetActionKind, campaign_id: str, *, answering: bool = False
    ) -> ActionResult | None:
        """Carry out an operator's action on the fleet; None for a release of no hold.

        Raises `SharedStateAway`.
        """
        return await self.fleet.control.act(kind, campaign_id, "ops", "", answering=answering)

    def crash(self) -> None:
        """End at once: what has left arrives, and nothing else happens any more."""
        self.is_gone = self.port.cut_off = self.state.cut_off = True
        for task in self._tasks:
            task.cancel()

    async def stop(self, grace_s: float, abandons: Callable[[], None]) -> None:
        """Leave in good order, as SIGTERM makes it. `abandons` is called if calls are not back in time."""
        self.dispatcher.drain(grace_s)
        try:
            async with asyncio.timeout(grace_s):
                await self.dispatcher.drained()
        except TimeoutError:
            abandons()
            self.dispatcher.abandon()
            await self.dispatcher.answer_abandoned()
        await self.fleet.leave()
        self.is_gone = True
        for task in self._tasks:
            task.cancel()
