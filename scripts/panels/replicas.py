"""The panels about replicas that act as one gateway through a shared state."""

from scripts.panels.kinds import Panel, Row
from scripts.promql import largest, named, of_fleet, quantile, rate, total

REPLICAS = Row(
    "Replicas with a shared state",
    (
        Panel(
            "Replicas of the fleet",
            "short",
            "As those know them that the shared state answers. lost: vanished, and their part of the rate "
            "is reserved.",
            (
                named(of_fleet("fleet_members"), "members"),
                named(of_fleet("fleet_members_lost"), "lost"),
            ),
        ),
        Panel(
            "Time without the shared state",
            "s",
            "At DIAL_GATEWAY_SHARED_STATE_LONGEST_OUTAGE a replica stops sending.",
            (largest("shared_state_outage_seconds", "instance"),),
        ),
        Panel(
            "Replicas that send on their own",
            "short",
            "1: it sends at its part of the rate, without the shared state.",
            (
                total("fleet_solo", "instance"),
                named(total("shared_state_connected"), "connected"),
            ),
        ),
        Panel(
            "Duration of commands to the shared state",
            "s",
            "Each call waits for its claim. Above DIAL_GATEWAY_SHARED_STATE_TIMEOUT it failed.",
            (quantile("shared_state_duration_seconds", 0.99, "operation"),),
        ),
        Panel(
            "Failed commands to the shared state",
            "cps",
            "unavailable: the network or the server. refused: rights, memory, version.",
            (
                rate("shared_state_errors", "operation", "kind"),
                named(rate("fleet_beats_missed"), "missed beats"),
            ),
        ),
        Panel(
            "Permits granted and unused",
            "cps",
            "Unused permits come back. Many, while calls wait for permits: part of the quota is wasted.",
            (
                named(rate("permits_granted", "instance"), "granted {{instance}}"),
                named(rate("permits_returned", "instance"), "unused {{instance}}"),
            ),
        ),
        Panel(
            "Results not recorded yet",
            "short",
            "Results of calls that other replicas do not know yet, and how many a second are given up.",
            (
                total("shared_settlements_waiting", "instance"),
                named(rate("shared_settlements_lost"), "given up"),
            ),
        ),
        Panel(
            "Settings that differ",
            "short",
            "1: replicas have different call rates, bursts or replay windows; the stricter applies.",
            (of_fleet("fleet_settings_differ", "instance"),),
        ),
    ),
)
