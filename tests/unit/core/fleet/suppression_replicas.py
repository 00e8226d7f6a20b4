"""Replicas of a fleet that know suppressions, around one store with its rules."""

from dataclasses import dataclass, field, replace

from gateway.core.fleet.suppressions import (
    SWEPT,
    FleetSuppressions,
    Suppression,
    SuppressionChanges,
    SuppressionsRequest,
)
from gateway.shared_state.rules.suppressions import SuppressionsRules

NOBODY = SuppressionChanges()
KEY = b"key"


def number(which: int) -> bytes:
    return which.to_bytes(8)


def suppression(which: int, actor: str = "Ines") -> Suppression:
    return Suppression(number(which), actor, "asked for it")


@dataclass
class Fleet:
    """Replicas around one store. The store's clock moves with each operation."""

    rules: SuppressionsRules = field(default_factory=SuppressionsRules)
    replicas: dict[str, FleetSuppressions] = field(default_factory=dict)
    epoch: str = "1"
    swept: int = SWEPT
    now_ms: int = 1_700_000_000_000

    def replica(self, name: str) -> FleetSuppressions:
        if name not in self.replicas:
            self.replicas[name] = FleetSuppressions(self.swept)
        return self.replicas[name]

    def exchange(self, name: str, *, lost_reply: bool = False) -> SuppressionChanges:
        """Exchange once, after a beat; a reply that is lost has been carried out by the store."""
        self.now_ms += 10
        replica = self.replica(name)
        replica.note_newest(self.epoch, self.rules.newest())
        offers = replica.offered()
        request = SuppressionsRequest(name, replica.seen, replica.after, KEY, len(replica) > 0, offers)
        reply = self.rules.exchange(self.now_ms, request)
        return NOBODY if lost_reply else replica.read(reply, offers)

    def suppress(self, name: str, which: int) -> SuppressionChanges:
        self.now_ms += 10
        here = self.replica(name).suppress_here(suppression(which))
        self.replica(name).recorded(self.rules.suppress(self.now_ms, suppression(which)))
        return here

    def end(self, name: str, which: int) -> SuppressionChanges | None:
        self.now_ms += 10
        action = replace(suppression(which), ended=True)
        recorded = self.rules.end(self.now_ms, action, known=number(which) in self.replica(name))
        return None if recorded is None else self.replica(name).recorded(recorded)

    def settle(self) -> None:
        """Let all replicas exchange until nobody has anything to tell or to read."""
        for _ in range(12):
            for name in self.replicas:
                self.exchange(name)

    def flush(self) -> None:
        self.rules, self.epoch = SuppressionsRules(), self.epoch + "x"

    def known(self, name: str) -> set[int]:
        return {which for which in range(20) if number(which) in self.replica(name)}
