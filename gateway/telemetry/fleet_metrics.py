"""The metrics of a fleet: members, permits and shared state. They exist only with a shared state."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.telemetry.metric_definitions import Metric

_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

STATE_DURATION = Metric(
    "dial_gateway.shared_state.duration",
    "s",
    "Duration of operations of the shared state",
    _QUICK,
    ("operation",),
)
STATE_ERRORS = Metric("dial_gateway.shared_state.errors", "{error}", "Operations that failed, by kind")
STATE_CONNECTED = Metric("dial_gateway.shared_state.connected", "", "1 while the shared state answers")
STATE_OUTAGE = Metric(
    "dial_gateway.shared_state.outage", "s", "How long the shared state has not answered; 0 if it does"
)
MEMBERS = Metric("dial_gateway.fleet.members", "{replica}", "Replicas of the fleet, including lost ones")
MEMBERS_LOST = Metric("dial_gateway.fleet.members.lost", "{replica}", "Replicas that miss beats")
SOLO = Metric("dial_gateway.fleet.solo", "", "1 while this replica sends at its own part of the rate, else 0")
BEATS_MISSED = Metric("dial_gateway.fleet.beats.missed", "{beat}", "Beats without a reply")
SETTINGS_DIFFER = Metric("dial_gateway.fleet.settings.differ", "", "1 while replicas have different settings")
GRANTED = Metric(
    "dial_gateway.permits.granted", "{permit}", "Permits that this replica got from the quota of the fleet"
)
RETURNED = Metric("dial_gateway.permits.returned", "{permit}", "Permits that were returned unused")
SETTLEMENTS_WAITING = Metric(
    "dial_gateway.shared.settlements.waiting",
    "{token}",
    "Results of claims that are not written to the shared state yet",
)
SETTLEMENTS_LOST = Metric(
    "dial_gateway.shared.settlements.lost",
    "{token}",
    "Results of claims that were dropped, since too many waited",
)


class FleetFigures(NamedTuple):
    """The state of a replica in its fleet."""

    connected: bool
    outage_s: float
    members: int
    members_lost: int
    solo: bool
    missed: int
    settings_differ: bool
    granted: int
    returned: int
    settlements_waiting: int = 0
    settlements_lost: int = 0


GAUGES: dict[Metric, Callable[[FleetFigures], float]] = {
    STATE_CONNECTED: lambda fleet: int(fleet.connected),
    STATE_OUTAGE: lambda fleet: fleet.outage_s,
    MEMBERS: lambda fleet: fleet.members,
    MEMBERS_LOST: lambda fleet: fleet.members_lost,
    SOLO: lambda fleet: int(fleet.solo),
    SETTINGS_DIFFER: lambda fleet: int(fleet.settings_differ),
    SETTLEMENTS_WAITING: lambda fleet: fleet.settlements_waiting,
}
COUNTERS: dict[Metric, Callable[[FleetFigures], float]] = {
    BEATS_MISSED: lambda fleet: fleet.missed,
    GRANTED: lambda fleet: fleet.granted,
    RETURNED: lambda fleet: fleet.returned,
    SETTLEMENTS_LOST: lambda fleet: fleet.settlements_lost,
}
