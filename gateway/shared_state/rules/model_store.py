"""A model of one server of the shared state: the rules, the server's clock, and its outages."""

import itertools
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TypeVar

from gateway.core.fleet.contacts import Contact, ContactCount, Counts, KeptContact
from gateway.core.fleet.messages import Claim, Claimed, FleetAction, Settlement, TokenRecord
from gateway.core.fleet.suppressions import Suppression, SuppressionsReply, SuppressionsRequest
from gateway.shared_state.port import (
    Beat,
    BeatReply,
    SharedStateRefused,
    SharedStateUnavailable,
)
from gateway.shared_state.rules.rules import Rules
from gateway.shared_state.store_watch import Marks

_Part = TypeVar("_Part")
_Reply = TypeVar("_Reply")


class ModelStore:
    """Carries out operations at once, each as one atomic step, as the scripts on a server do.

    `now_ms` returns the server's clock in milliseconds since the epoch. `killed`: every operation fails and
    changes nothing. `hung`: every operation fails, and is carried out when `resume` is called, as a stopped
    process reads what has arrived meanwhile. `read_only`: operations that write fail.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        rules: Rules | None = None,
        histories: "itertools.count[int] | None" = None,
    ) -> None:
        self._now_ms = now_ms
        self.rules = rules or Rules.empty()
        self._histories = histories or itertools.count(1)
        self.replication = self._new_history()
        self.killed = False
        self.hung = False
        self.read_only = False
        self._late: list[Callable[[], object]] = []

    # --- outages -----------------------------------------------------------------------------------

    def kill(self) -> None:
        """End the server at once, as SIGKILL does."""
        self.killed = True
        self._late.clear()

    def start(self, rules: Rules | None = None) -> None:
        """Start the server again, with what it had written to disk, by default nothing."""
        self.killed = self.hung = self.read_only = False
        self.rules = rules or Rules.empty()
        self.replication = self._new_history()

    def hang(self) -> None:
        """Stop the server, as SIGSTOP does."""
        self.hung = True

    def resume(self) -> None:
        """Let a hung server go on: it first carries out what arrived meanwhile; those replies are lost."""
        self.hung = False
        late, self._late = self._late, []
        for operation in late:
            operation()

    def allow_writes(self) -> None:
        """Let a read-only server write again."""
        self.read_only = False

    def flush(self) -> None:
        """Remove all keys, as FLUSHALL does; the replication history stays."""
        self.rules = Rules.empty()

    def snapshot(self) -> Rules:
        """Return a copy of the data, as a replica of the server has it at this moment."""
        return deepcopy(self.rules)

    def fail_over(self, rules: Rules) -> None:
        """Let a replica of the server take its place; the writes since that copy was made are lost."""
        self.rules = deepcopy(rules)
        self.replication = self._new_history()
        self.killed = self.hung = self.read_only = False
        self._late.clear()

    def promoted(self, rules: Rules) -> "ModelStore":
        """Return a second server that takes the place of this one, while this one goes on (split brain)."""
        return ModelStore(self._now_ms, deepcopy(rules), self._histories)

    # --- operations --------------------------------------------------------------------------------

    def beat(self, beat: Beat) -> BeatReply:
        """Carry out a tick, and exchange the changes of holds and of conditions."""
        quota, control = _part(self.rules.quota), _part(self.rules.control)
        conditions, suppressions = self.rules.conditions, self.rules.suppressions

        def carry_out() -> BeatReply:
            now_ms = self._now_ms()
            tick = quota.tick(now_ms, self.replication, beat.tick)
            newest = 0 if suppressions is None else suppressions.newest()
            reply = BeatReply(tick, control.exchange(now_ms, beat.control), suppressions_version=newest)
            if conditions is None:
                return reply
            version, asked = conditions.newest(now_ms), beat.conditions
            exchanged = None if asked is None else conditions.exchange(now_ms, asked)
            return replace(reply, conditions_version=version, conditions=exchanged)

        return self._write(carry_out)

    def claim(
        self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim the tokens of one call."""
        ledger = _part(self.rules.ledger)
        return self._write(lambda: ledger.claim(self._now_ms(), campaign_id, member, live, claims))

    def settle(self, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims ended."""
        ledger = _part(self.rules.ledger)
        self._write(lambda: ledger.settle(self._now_ms(), campaign_id, member, settlements))

    def count_contacts(self, member: str, counted_ms: int, claims: Sequence[Claim]) -> Counts:
        """Count the contacts of one call."""
        contacts = _part(self.rules.contacts)
        return self._write(lambda: contacts.count(self._now_ms(), member, counted_ms, claims))

    def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount]:
        """Tell whether contacts would have room now."""
        self._check_reachable()
        return _part(self.rules.contacts).look(self._now_ms(), looked_at)

    def withdraw_contacts(self, member: str, settlements: Sequence[Settlement]) -> None:
        """Withdraw contacts."""
        contacts = _part(self.rules.contacts)
        self._write(lambda: contacts.withdraw(self._now_ms(), member, settlements))

    def restore_contacts(
        self, member: str, counted_ms: int, covered_ms: int, kept: Sequence[KeptContact]
    ) -> None:
        """Write contacts again."""
        contacts = _part(self.rules.contacts)
        self._write(lambda: contacts.restore(self._now_ms(), member, counted_ms, covered_ms, kept))

    def lose_contacts(self) -> None:
        """Note that contacts were lost."""
        contacts = _part(self.rules.contacts)
        self._write(lambda: contacts.lose(self._now_ms()))

    def look_up(self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]) -> dict[str, TokenRecord]:
        """Return the records of those tokens that have one."""
        ledger = _part(self.rules.ledger)
        self._check_reachable()
        return ledger.look_up(self._now_ms(), campaign_id, live, tokens)

    def marks(self) -> Marks:
        """Return what replies of the ledger tell of the store."""
        ledger = _part(self.rules.ledger)
        return Marks(ledger.fingerprint_key, self.replication, ledger.in_doubt(self._now_ms()))

    def doubt(self, for_s: float) -> None:
        """Note that tokens without a record may have been sent."""
        ledger = _part(self.rules.ledger)
        self._write(lambda: ledger.doubt(self._now_ms(), round(for_s * 1000)))

    def keep_fingerprint_key(self, new: bytes) -> bytes:
        """Keep a new key of fingerprints if there is none; return the key that is kept."""
        ledger = _part(self.rules.ledger)
        return self._write(lambda: ledger.keep_key(new))

    def act(self, action: FleetAction) -> FleetAction | None:
        """Record an operator's action."""
        control = _part(self.rules.control)
        return self._write(lambda: control.act(self._now_ms(), action))

    def exchange_suppressions(self, request: SuppressionsRequest) -> SuppressionsReply:
        """Record suppressions that are missing, and return those that the replica has not read."""
        suppressions = _part(self.rules.suppressions)
        return self._write(lambda: suppressions.exchange(self._now_ms(), request))

    def suppress(self, action: Suppression) -> Suppression:
        """Record a suppression, unless the number has one."""
        suppressions = _part(self.rules.suppressions)
        return self._write(lambda: suppressions.suppress(self._now_ms(), action))

    def end_suppression(self, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression."""
        suppressions = _part(self.rules.suppressions)
        return self._write(lambda: suppressions.end(self._now_ms(), action, known=known))

    def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Keep a member's report for so long."""
        control = _part(self.rules.control)
        self._write(lambda: control.publish(self._now_ms(), member, report, keep_s))

    def reports(self) -> dict[str, bytes]:
        """Return the present report of each member."""
        control = _part(self.rules.control)
        self._check_reachable()
        return control.reports(self._now_ms())

    # --- implementation ----------------------------------------------------------------------------

    def _write(self, operation: Callable[[], _Reply]) -> _Reply:
        if self.hung:
            self._late.append(operation)
        self._check_reachable()
        if self.read_only:
            raise SharedStateUnavailable("the shared state cannot write now")
        return operation()

    def _check_reachable(self) -> None:
        if self.killed:
            raise SharedStateUnavailable("the shared state refuses connections")
        if self.hung:
            raise SharedStateUnavailable("the shared state did not answer in time")

    def _new_history(self) -> str:
        return f"replication-{next(self._histories)}"


def _part(part: _Part | None) -> _Part:
    if part is None:
        raise SharedStateRefused("this store keeps no data of that kind")
    return part
