"""Puts the parts together that make a gateway a replica of its fleet."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

from gateway.access.key_pair import ClientTls
from gateway.access.reloading import Reloaded
from gateway.connect.port import CallSender
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.channels import no_channels
from gateway.core.claims.fleet_ledger import FleetLedger
from gateway.core.engine import Engine
from gateway.core.fleet.messages import FleetSettings, Member
from gateway.core.limits import Limits
from gateway.core.quota.permits import FleetPermits, QuotaMember
from gateway.dispatch.claims import Claims
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.first_reply import first_reply
from gateway.dispatch.fleet_control import FleetControl
from gateway.dispatch.fleet_member import Ended, FleetMember
from gateway.dispatch.suppression_sync import SuppressionSync
from gateway.runtime.supervision import Supervisor
from gateway.shared_state.port import BeatReply, SharedState
from gateway.telemetry import FleetFigures, Telemetry

LAST_SETTLEMENTS_S = 1.0
"""Seconds in which the last settlements are written when the gateway shuts down."""


@dataclass(frozen=True, slots=True)
class FleetSetup:
    """A replica and what it shares. `member` is unique for each process, `name` is for people.

    `fingerprint_key` is the secret key of fingerprints; if it is None, the fleet makes one. `ended` finds out
    which lost replicas have ended; without it, their part of the quota stays reserved. `start` begins to
    connect, and takes what to call when the shared state is there again after an outage. Beats, claims and
    look-ups without a reply are sent again after `again_after_s`. `tls` are the certificates for new
    connections, which are read again when their files change.
    """

    state: SharedState
    member: str
    name: str
    longest_outage_s: float = 600.0
    fingerprint_key: bytes | None = None
    ended: Ended | None = None
    start: Callable[[Callable[[], None]], None] = lambda _: None
    again_after_s: float = 0.25
    tls: Reloaded[ClientTls] | None = None


class Fleet:
    """The parts of one replica that speak with the shared state.

    These are beats, claims, operators' actions, and suppressions.
    """

    def __init__(
        self,
        setup: FleetSetup,
        member: FleetMember,
        claims: Claims,
        control: FleetControl,
        suppressions: SuppressionSync,
    ) -> None:
        self.state = setup.state
        self._start = setup.start
        self._member = member
        self.claims = claims
        self.control = control
        self.suppressions = suppressions

    def start(self) -> None:
        """Begin to connect."""
        self._start(self._member.wake)

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """Return what must run until the gateway shuts down."""
        member = self._member
        return [member.run(), member.show_life(), self.claims.run(), self.suppressions.run()]

    async def leave(self) -> None:
        """Write the last settlements, and leave the fleet, as far as the shared state answers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SETTLEMENTS_S):
                await self.claims.written()
        await self._member.leave()

    async def close(self) -> None:
        """Close the connections to the shared state."""
        await self.state.close()

    # --- for readiness and metrics --------------------------------------------------------------------

    def in_words(self) -> tuple[bool, str]:
        """Return whether the fleet lets this replica send, and the state of the shared state, in words."""
        may_send, words = self._member.in_words()
        blocked = self.suppressions.in_words()
        return (may_send, words) if blocked is None or not may_send else (False, f"{words}; {blocked}")

    def notes(self) -> dict[str, str]:
        """Return observations for people."""
        return self._member.notes()

    def figures(self) -> FleetFigures:
        """Return the figures for metrics."""
        figures = self._member.figures()
        return figures._replace(settlements_waiting=self.claims.waiting, settlements_lost=self.claims.lost)


@dataclass(frozen=True, slots=True)
class ReplicaDependencies:
    """What a replica needs besides the shared state. `now` and `gained` are the clock of the gateway."""

    sender: CallSender
    telemetry: Telemetry
    supervisor: Supervisor
    rng: random.Random
    now: Callable[[], float]
    gained: Callable[[], float] = lambda: 0.0
    campaign_problem: Callable[[str], str | None] = problem_with_campaign
    takes_channels: Callable[[str], bool] = no_channels


def build_replica(
    setup: FleetSetup, limits: Limits, dependencies: ReplicaDependencies
) -> tuple[Engine, Dispatcher, Fleet]:
    """Return a replica: its engine, its dispatcher, and its part of the fleet. Nothing runs yet."""
    engine = _engine(setup, limits, dependencies)
    permits, ledger = engine.fleet_permits, engine.fleet_ledger
    assert permits is not None  # noqa: S101 - it exists in a fleet
    assert ledger is not None  # noqa: S101
    claims = _claims(setup, ledger, permits, dependencies.now, limits.replay_window_s)
    dispatcher = Dispatcher(
        engine,
        dependencies.sender,
        dependencies.telemetry,
        dependencies.now,
        dependencies.supervisor,
        dependencies.gained,
        claims,
    )
    control = FleetControl(
        dispatcher.campaign_actions, dependencies.now, dependencies.supervisor, record=setup.state.act
    )
    member = FleetMember(
        Member(setup.member, setup.name),
        lambda beat: first_reply(lambda: setup.state.beat(beat), setup.again_after_s),
        permits,
        control,
        dependencies.now,
        dispatcher.wake,
        setup.longest_outage_s,
        setup.ended,
        engine.shared_conditions,
    )
    suppressions = SuppressionSync(
        setup.state, member, permits, dependencies.now, control.clock, dispatcher.wake
    )
    _connect(member, dispatcher, claims, control, suppressions)
    return engine, dispatcher, Fleet(setup, member, claims, control, suppressions)


def _engine(setup: FleetSetup, limits: Limits, dependencies: ReplicaDependencies) -> Engine:
    settings = FleetSettings(
        limits.call_rate, limits.call_burst, limits.replay_window_s, setup.longest_outage_s
    )
    return Engine(
        limits,
        dependencies.rng,
        dependencies.campaign_problem,
        fleet_member=setup.member,
        fleet_quota=QuotaMember(setup.member, setup.name, settings),
        takes_channels=dependencies.takes_channels,
    )


def _claims(
    setup: FleetSetup, ledger: FleetLedger, permits: FleetPermits, now: Callable[[], float], window_s: float
) -> Claims:
    return Claims(
        setup.state,
        ledger,
        setup.member,
        lambda: [each.member for each in permits.members if not each.lost],
        now,
        window_s,
        setup.fingerprint_key,
        again_after_s=setup.again_after_s,
    )


def _connect(
    member: FleetMember,
    dispatcher: Dispatcher,
    claims: Claims,
    control: FleetControl,
    suppressions: SuppressionSync,
) -> None:
    """Let the parts of a replica learn of each other's events."""

    def seen(reply: BeatReply) -> None:
        age_s = reply.tick.epoch_age_s(reply.control.now_ms)
        claims.seen(reply.tick.epoch, reply.tick.members, age_s)
        suppressions.note_newest(reply.tick.epoch, reply.suppressions_version)

    member.reply_seen = seen
    control.join(member)
    dispatcher.turning, dispatcher.turned = member.turning, member.turned
