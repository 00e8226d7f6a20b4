"""Puts the core and its dispatcher together: those of one process, or of a replica of a fleet."""

from typing import NamedTuple

from gateway.composition.basis import Basis
from gateway.composition.part_settings import limits_of
from gateway.connect.retry import RetryingSender
from gateway.core.engine import Engine
from gateway.dispatch.dispatcher import Dispatcher
from gateway.fleet.assembly import ReplicaDependencies, build_replica
from gateway.fleet.fleet import Fleet, FleetSetup


class Replica(NamedTuple):
    """The core, the dispatcher that acts for it, and what sends its calls.

    `fleet` is this replica's part of a fleet, None without a shared state.
    """

    engine: Engine
    dispatcher: Dispatcher
    sender: RetryingSender
    fleet: Fleet | None


def replica_of(basis: Basis, engine: Engine | None, fleet: FleetSetup | None) -> Replica:
    """Return the replica of a `fleet`, or a gateway of its own without one.

    An `engine` takes the place of the usual one of a gateway of its own.
    """
    port, clock = basis.port, basis.clock
    sender = RetryingSender(port, basis.telemetry, clock.now, basis.rng, expiry_now=clock.epoch_now)
    if fleet is not None:
        dependencies = ReplicaDependencies(
            sender,
            basis.telemetry,
            basis.supervisor,
            basis.rng,
            clock.now,
            clock.gained,
            port.campaign_problem,
            port.takes_channels,
        )
        core, dispatcher, member = build_replica(fleet, limits_of(basis.settings), dependencies)
        if core.fleet_permits is not None:
            sender.has_paused = core.fleet_permits.pauses.has_paused
        return Replica(core, dispatcher, sender, member)
    engine = engine or Engine(
        limits_of(basis.settings), basis.rng, port.campaign_problem, takes_channels=port.takes_channels
    )
    dispatcher = Dispatcher(engine, sender, basis.telemetry, clock.now, basis.supervisor, clock.gained)
    return Replica(engine, dispatcher, sender, None)
