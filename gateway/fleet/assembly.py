"""Puts a replica together: its engine, its dispatcher, and its part in the fleet."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from gateway.connect.port import CallSender
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.channels import no_channels
from gateway.core.claims.fleet_ledger import FleetLedger
from gateway.core.engine import Engine
from gateway.core.fleet.messages import FleetSettings, Member
from gateway.core.limits import Limits
from gateway.core.quota.fleet_permits import FleetPermits, QuotaMember
from gateway.dispatch.dispatcher import Dispatcher
from gateway.fleet.claims import Claims
from gateway.fleet.control import FleetControl
from gateway.fleet.first_reply import first_reply
from gateway.fleet.fleet import Fleet, FleetSetup
from gateway.fleet.member import FleetMember
from gateway.fleet.suppression_sync import SuppressionSync
from gateway.runtime.supervision import Supervisor
from gateway.shared_state.port import BeatReply
from gateway.telemetry import Telemetry


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
