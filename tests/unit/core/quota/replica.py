"""A replica of a fleet, and a store whose replies a test sets."""

from typing import Any

from gateway.core.fleet.messages import DemandRow, FleetSettings, Member, PermitGrant, TickReply, TickRequest
from gateway.core.model import Priority
from gateway.core.quota.fleet_permits import FleetPermits, QuotaMember

NOW = 1_000.0
SETTINGS = FleetSettings(10.0, 10.0, 1200.0, longest_outage_s=60.0)
LATE_S = 0.03
"""How long a tick and its reply take together."""


class Demand:
    """The calls that a replica could make; a test sets them."""

    def __init__(self) -> None:
        self.retries = 0
        self.calls = 0
        self.priority = int(Priority.NORMAL)

    @property
    def exists(self) -> bool:
        return bool(self.retries or self.calls)

    def rows(self, now: float) -> tuple[DemandRow, ...]:
        if not self.calls:
            return ()
        return (DemandRow(Priority(max(0, self.priority)), "", "campaign", self.calls, full=True),)


class Bench:
    """A replica of a fleet of two, and a store whose replies a test sets."""

    def __init__(self) -> None:
        self.demand = Demand()
        self.permits = FleetPermits(QuotaMember("a-1", "a", SETTINGS), 8, self.demand)

    def tick(self, now: float, *grants: PermitGrant, **reply: Any) -> TickRequest:
        """Exchange a tick that is sent at `now`; the reply arrives a little later."""
        request = self.permits.tick(now)
        self.reply(now, now + LATE_S, *grants, **reply)
        return request

    def reply(self, sent_at: float, now: float, *grants: PermitGrant, **reply: Any) -> None:
        members = (Member("a-1", "a", False, 4.0, 3.0), Member("b-1", "b", False, 5.0, 5.0))
        told = {
            "epoch": "e1",
            "members": members,
            "settings": SETTINGS,
            "rate": 9.0,
            "retry_credit": 9.0,
        } | reply
        self.permits.ticked(sent_at, now, TickReply(permits=grants, **told))  # type: ignore[arg-type]


def grant(number: int, count: int = 1, start_in_ms: int = 0, end_in_ms: int = 500) -> PermitGrant:
    return PermitGrant(number, count, start_in_ms, end_in_ms, "caller", "campaign")
