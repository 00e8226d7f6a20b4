"""The data of one store, and the operations on each part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.fleet.contacts import Contact, ContactCount, Counts, KeptContact
from gateway.core.fleet.messages import (
    Claim,
    Claimed,
    ConditionsReply,
    ConditionsRequest,
    ControlReply,
    ControlRequest,
    FleetAction,
    Settlement,
    TickReply,
    TickRequest,
    TokenRecord,
)
from gateway.core.fleet.suppressions import Suppression, SuppressionsReply, SuppressionsRequest
from gateway.shared_state.rules.conditions import ConditionsRules
from gateway.shared_state.rules.contacts import ContactRules
from gateway.shared_state.rules.control import ControlRules
from gateway.shared_state.rules.ledger import LedgerRules
from gateway.shared_state.rules.quota import QuotaRules
from gateway.shared_state.rules.suppressions import SuppressionsRules


class QuotaTable(Protocol):
    """The bucket, the members and their permits. `now_ms` is the store's clock, since the epoch."""

    def tick(self, now_ms: int, replication: str, request: TickRequest) -> TickReply:
        """Carry out a tick. `replication` is the id of the store's replication history."""
        ...


class LedgerTable(Protocol):
    """The records of client tokens."""

    def claim(
        self, now_ms: int, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim the tokens of one call."""
        ...

    def settle(self, now_ms: int, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims ended."""
        ...

    def look_up(
        self, now_ms: int, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> dict[str, TokenRecord]:
        """Return the records of those tokens that have one."""
        ...

    fingerprint_key: bytes

    def doubt(self, now_ms: int, for_ms: int) -> None:
        """Note that tokens without a record may have been sent."""
        ...

    def in_doubt(self, now_ms: int) -> bool:
        """Whether tokens without a record may have been sent."""
        ...

    def keep_key(self, new: bytes) -> bytes:
        """Keep a new key of fingerprints if there is none; return the key that is kept."""
        ...


class ContactTable(Protocol):
    """The contacts of numbers under limits."""

    def count(self, now_ms: int, member: str, counted_ms: int, claims: Sequence[Claim]) -> Counts:
        """Count the contacts of one call."""
        ...

    def look(self, now_ms: int, contacts: Sequence[Contact]) -> list[ContactCount]:
        """Return what `count` would say of each contact now."""
        ...

    def withdraw(self, now_ms: int, member: str, settlements: Sequence[Settlement]) -> None:
        """Withdraw contacts of calls that have certainly not reached Connect."""
        ...

    def restore(
        self, now_ms: int, member: str, counted_ms: int, covered_ms: int, kept: Sequence[KeptContact]
    ) -> None:
        """Write contacts again which the store may have lost."""
        ...

    def lose(self, now_ms: int) -> None:
        """Note that the store has lost contacts."""
        ...


class ControlTable(Protocol):
    """Holds, purges, the record of actions, and the reports of members."""

    def exchange(self, now_ms: int, request: ControlRequest) -> ControlReply:
        """Note what a member has carried out, and return the changes since."""
        ...

    def act(self, now_ms: int, action: FleetAction) -> FleetAction | None:
        """Record an action."""
        ...

    def publish(self, now_ms: int, member: str, report: bytes, keep_s: float) -> None:
        """Keep a member's report for so long."""
        ...

    def reports(self, now_ms: int) -> dict[str, bytes]:
        """Return the present report of each member."""
        ...


class ConditionsTable(Protocol):
    """The conditions of campaigns."""

    def newest(self, now_ms: int) -> int:
        """Return the version of the newest condition."""
        ...

    def exchange(self, now_ms: int, request: ConditionsRequest) -> ConditionsReply:
        """Record conditions, and return those that the replica has not read."""
        ...


class SuppressionsTable(Protocol):
    """The live suppressions."""

    def newest(self) -> int:
        """Return the version of the newest suppression or end."""
        ...

    def exchange(self, now_ms: int, request: SuppressionsRequest) -> SuppressionsReply:
        """Record suppressions that are missing, and return those that the replica has not read."""
        ...

    def suppress(self, now_ms: int, action: Suppression) -> Suppression:
        """Record a suppression, unless the number has one."""
        ...

    def end(self, now_ms: int, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression."""
        ...


@dataclass(slots=True)
class Rules:
    """The data of one store. A deep copy is a snapshot of it. A part that is None refuses its operations."""

    quota: QuotaTable | None = None
    ledger: LedgerTable | None = None
    control: ControlTable | None = None
    conditions: ConditionsTable | None = None
    contacts: ContactTable | None = None
    suppressions: SuppressionsTable | None = None

    @classmethod
    def empty(cls) -> "Rules":
        """Return the data of a new store."""
        return cls(
            QuotaRules(),
            LedgerRules(),
            ControlRules(),
            ConditionsRules(),
            ContactRules(),
            SuppressionsRules(),
        )
