"""The members of a fleet, the rules of its quota and their clock, all controlled by a test."""

from typing import Any

from gateway.core.fleet.messages import DemandRow, FleetSettings, TickReply, TickRequest
from gateway.core.model import Priority
from gateway.shared_state.rules.quota import QuotaRules

START_MS = 1_700_000_000_000
SETTINGS = FleetSettings(10.0, 10.0, 1200.0, longest_outage_s=60.0)


class Store:
    """The rules, a clock, and members that answer for themselves unless the test says otherwise."""

    def __init__(self) -> None:
        self.rules = QuotaRules()
        self.now_ms = START_MS
        self.replies: dict[str, TickReply] = {}
        self.sequences: dict[str, int] = {}
        self.granted: dict[str, list[tuple[int, int]]] = {}

    def tick(self, member: str, *rows: DemandRow, heard: bool = True, **fields: Any) -> TickReply:
        """Let a member tick. Permits of its last reply are reported as used unless `used` is given."""
        last = self.replies.get(member)
        self.sequences[member] = sequence = self.sequences.get(member, 0) + 1
        told: dict[str, Any] = {
            "settings": SETTINGS,
            "acknowledged": sequence - 1,
            "epoch": last.epoch if last else "",
            "known": last.members if last else (),
            "used": tuple((one.number, one.count) for one in last.permits) if last else (),
            "room": 20,
            "demand": rows,
        }
        request = TickRequest(member, member[0], sequence, **(told | fields))
        reply = self.rules.tick(self.now_ms, "history", request)
        if heard:
            self.replies[member] = reply
        return reply

    def run(self, seconds: float, *members: str) -> None:
        """Let members tick five times a second, without room for a permit."""
        for _ in range(round(seconds * 5)):
            self.now_ms += 200
            for member in members:
                self.tick(member, room=0)

    def order(self, seconds: float, **demand: tuple[DemandRow, ...]) -> list[str]:
        """Let members with demand tick ten times a second; return the turns in the order of permits.

        The burst of the first second goes to the member that ticks first, and does not count.
        """
        grants: list[tuple[int, str]] = []
        for tick in range(10 + round(seconds * 10)):
            self.now_ms += 100
            if tick == 10:
                grants.clear()
            for member, rows in demand.items():
                reply = self.tick(member, *rows)
                grants += [(one.number, f"{member}:{one.campaign_id}") for one in reply.permits]
        return [turn for _, turn in sorted(grants)]


def row(campaign: str = "c", calls: int = 50, **fields: Any) -> DemandRow:
    usual: dict[str, Any] = {"priority": Priority.NORMAL, "caller": "", "full": True}
    return DemandRow(**(usual | fields), campaign_id=campaign, calls=calls)


def permits(reply: TickReply) -> int:
    return sum(grant.count for grant in reply.permits)


def parts(reply: TickReply) -> dict[str, tuple[bool, float]]:
    return {one.member: (one.lost, round(one.local_rate, 3)) for one in reply.members}
