"""The same operations on the scripts of a real server and on their rules in plain Python: both must agree."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.core.campaigns.holds import TooManyHolds
from gateway.core.fleet.contacts import Contact, ContactCount, Counts, KeptContact
from gateway.core.fleet.messages import (
    Claim,
    ConditionsReply,
    ConditionsRequest,
    ControlReply,
    ControlRequest,
    FleetAction,
    Settlement,
    TickReply,
    TickRequest,
)
from gateway.core.fleet.suppressions import (
    Suppression,
    SuppressionsReply,
    SuppressionsRequest,
    TooManySuppressions,
)
from gateway.shared_state.commands import conditions, contacts, control, ledger, suppressions
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.tick import tick_call, tick_reply
from gateway.shared_state.port import ActionTooLate, KeyDiffers
from gateway.shared_state.rules.contacts import ContactRules, Numbered
from gateway.shared_state.rules.ledger import LedgerRules
from gateway.shared_state.rules.model_store import ModelStore
from gateway.shared_state.rules.rules import Rules
from tests.shared_state.script_store import ScriptStore
from tests.shared_state.servers import Server
from tests.shared_state.test_quota_agreement import Replica, Step, request_of

KEYS = Keys("agreement")
WINDOW_MS = 600_000


class Disagreement(AssertionError):  # noqa: N818 - says what is wrong
    """A script and its rules have replied differently."""


class Agreement:
    """A real server and the rules beside it, on one clock.

    Each operation raises `Disagreement` if their replies differ. `edits` are those of `ScriptStore`.
    """

    def __init__(self, server: Server, edits: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.scripts = ScriptStore(server, edits)
        self.store = ModelStore(lambda: self.scripts.now_ms, self._new_rules())
        self.store.replication = self.scripts.replication
        self._replicas = [Replica(member) for member in ("one", "two words", "three")]
        self._saved: tuple[Any, Rules] = self.scripts.snapshot(), self.store.snapshot()

    # --- holds, actions, reports -------------------------------------------------------------------

    def exchange(self, request: ControlRequest) -> ControlReply:
        """Exchange what has changed in holds."""
        assert self.store.rules.control is not None
        reply = control.control_reply(request, self.scripts.run(control.control_call(KEYS, request)))
        expected = self.store.rules.control.exchange(self.scripts.now_ms, request)
        _same("control", _comparable(reply), _comparable(expected))
        return reply

    def act(self, action: FleetAction) -> FleetAction | None:
        """Record an operator's action; None also if too many campaigns are held."""
        reply = self.scripts.run(control.act_call(KEYS, action))
        try:
            expected = self.store.act(action)
        except TooManyHolds:
            expected = None
        try:
            recorded = control.act_reply(action, reply)
        except TooManyHolds:
            recorded = None
        _same("act", recorded, expected)
        return recorded

    def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Publish a report."""
        self.scripts.run(control.publish_call(KEYS, member, report, keep_s))
        self.store.publish(member, report, keep_s)

    def reports(self) -> None:
        """Read all reports."""
        reply = self.scripts.run(control.reports_call(KEYS))
        _same("reports", control.reports_reply(reply), self.store.reports())

    # --- quota -------------------------------------------------------------------------------------

    def tick(self, request: TickRequest) -> TickReply:
        """Carry out a tick."""
        assert self.store.rules.quota is not None
        reply = tick_reply(self.scripts.run(tick_call(KEYS, request)))
        _same(
            "tick", reply, self.store.rules.quota.tick(self.scripts.now_ms, self.store.replication, request)
        )
        return reply

    def step(self, step: Step) -> None:
        """Carry out a tick of one of three replicas, which follow the replies that arrive."""
        replica = self._replicas[step.who]
        replica.sequence += 1
        reply = self.tick(request_of(step, replica))
        if step.fate != "lost":
            replica.received(reply)

    # --- conditions --------------------------------------------------------------------------------

    def share(self, request: ConditionsRequest) -> ConditionsReply:
        """Exchange conditions of campaigns."""
        assert self.store.rules.conditions is not None
        reply = conditions.conditions_reply(self.scripts.run(conditions.conditions_call(KEYS, request)))
        expected = self.store.rules.conditions.exchange(self.scripts.now_ms, request)
        _same("conditions", reply, expected)
        return reply

    # --- suppressions ------------------------------------------------------------------------------

    def exchange_suppressions(self, request: SuppressionsRequest) -> SuppressionsReply:
        """Offer suppressions, and read a page of them."""
        call = suppressions.exchange_call(KEYS, request)
        reply = suppressions.exchange_reply(self.scripts.run(call))
        _same("suppressions", reply, self.store.exchange_suppressions(request))
        return reply

    def suppress(self, action: Suppression) -> Suppression | None:
        """Record a suppression; None if too many numbers are suppressed."""
        reply = self.scripts.run(suppressions.suppress_call(KEYS, action))
        return self._acted(
            lambda: suppressions.action_reply(action, reply), lambda: self.store.suppress(action)
        )

    def end_suppression(self, action: Suppression, known: bool) -> Suppression | None:
        """Record the end of a suppression; None if there is none, or if it arrives too late."""
        reply = self.scripts.run(suppressions.end_call(KEYS, action, known=known))
        return self._acted(
            lambda: suppressions.action_reply(action, reply),
            lambda: self.store.end_suppression(action, known=known),
        )

    @staticmethod
    def _acted(
        of_script: Callable[[], Suppression | None], of_rules: Callable[[], Suppression | None]
    ) -> Suppression | None:
        results: list[Suppression | str | None] = []
        for action in (of_script, of_rules):
            try:
                results.append(action())
            except (TooManySuppressions, ActionTooLate, KeyDiffers) as refused:
                results.append(type(refused).__name__)
        _same("an action on suppressions", *results)
        return results[0] if isinstance(results[0], Suppression) else None

    # --- ledger --------------------------------------------------------------------------------------

    def claim(self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]) -> None:
        """Claim tokens."""
        reply = self.scripts.run(ledger.claim_call(KEYS, WINDOW_MS, campaign_id, member, live, claims))
        expected = self.store.claim(campaign_id, member, live, claims)
        _same("claim", ledger.claim_reply(reply), expected)

    def settle(self, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims have ended."""
        self.scripts.run(ledger.settle_call(KEYS, WINDOW_MS, campaign_id, member, settlements))
        self.store.settle(campaign_id, member, settlements)

    def look_up(self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]) -> None:
        """Read the records of tokens."""
        reply = self.scripts.run(ledger.look_up_call(KEYS, campaign_id, tokens))
        expected = self.store.look_up(campaign_id, live, tokens)
        _same("look_up", ledger.look_up_reply(reply, live, tokens), expected)
        _same("look_up", ledger.marks_reply(reply), self.store.marks())

    def marks(self) -> None:
        """Read the marks of the store."""
        reply = self.scripts.run(ledger.marks_call(KEYS))
        _same("marks", ledger.marks_reply(reply), self.store.marks())

    def doubt(self, for_s: float) -> None:
        """Note that tokens without a record may have been sent."""
        self.scripts.run(ledger.doubt_call(KEYS, round(for_s * 1000)))
        self.store.doubt(for_s)

    def keep_key(self, new: bytes) -> None:
        """Keep a key of fingerprints if there is none."""
        reply = self.scripts.run(ledger.keep_key_call(KEYS, new))
        _same("keep_key", ledger.keep_key_reply(reply), self.store.keep_fingerprint_key(new))

    # --- contacts --------------------------------------------------------------------------------------

    def count(self, member: str, counted_ms: int, claims: Sequence[Claim]) -> Counts:
        """Count the contacts of claims."""
        reply = self.scripts.run(contacts.count_call(KEYS, member, counted_ms, claims))
        counts = contacts.count_reply(reply, claims)
        _same("count", counts, self.store.count_contacts(member, counted_ms, claims))
        return counts

    def look(self, looked_at: Sequence[Contact]) -> list[ContactCount]:
        """Look whether contacts would have room."""
        reply = self.scripts.run(contacts.look_call(KEYS, looked_at))
        counts = contacts.look_reply(reply, looked_at)
        _same("look", counts, self.store.look_at_contacts(looked_at))
        return counts

    def withdraw(self, member: str, settlements: Sequence[Settlement]) -> None:
        """Withdraw contacts."""
        call = contacts.withdraw_call(KEYS, member, settlements)
        if call is not None:
            self.scripts.run(call)
        self.store.withdraw_contacts(member, settlements)

    def restore(self, member: str, counted_ms: int, covered_ms: int, kept: Sequence[KeptContact]) -> None:
        """Write contacts again."""
        self.scripts.run(contacts.restore_call(KEYS, member, counted_ms, covered_ms, kept))
        self.store.restore_contacts(member, counted_ms, covered_ms, kept)

    def lose(self) -> None:
        """Note that contacts were lost."""
        self.scripts.run(contacts.lost_call(KEYS))
        self.store.lose_contacts()

    def edit(self, contact: Contact, value: str | None) -> None:
        """Edit the contacts of a number by hand; None makes them a list."""
        assert isinstance(self.store.rules.contacts, ContactRules)
        for place, limit in zip(contacts.places(KEYS, contact), contact.limits, strict=True):
            self.scripts.write(place, value)
            foreign = Numbered(ends_ms=self.scripts.now_ms + 1_000 * WINDOW_MS, is_ours=False)
            self.store.rules.contacts.numbers[limit.name, contact.number] = foreign

    # --- what happens to the store -----------------------------------------------------------------

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.scripts.now_ms += ms

    def flush(self) -> None:
        """Remove all keys."""
        self.scripts.flush()
        self.store.rules = self._new_rules()

    def save(self) -> None:
        """Remember all data, as a replica of the server that gets no further writes."""
        self._saved = self.scripts.snapshot(), self.store.snapshot()

    def fail_over(self) -> None:
        """Return to what was remembered, with another replication history."""
        self.scripts.fail_over(self._saved[0])
        self.store.fail_over(self._saved[1])
        self.store.replication = self.scripts.replication

    def carry_out(self, operations: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        """Carry out operations by their names, each with its arguments."""
        for name, arguments in operations:
            getattr(self, name)(*arguments)

    def close(self) -> None:
        """Close the connection to the server."""
        self.scripts.close()

    @staticmethod
    def _new_rules() -> Rules:
        rules = Rules.empty()
        rules.ledger = LedgerRules(WINDOW_MS)
        return rules


def _same(operation: str, of_script: object, of_rules: object) -> None:
    if of_script != of_rules:
        raise Disagreement(f"{operation}: the script replies {of_script}, the rules {of_rules}")


def _comparable(reply: ControlReply) -> tuple[object, ...]:
    """Return a reply without the order of holds: the server keeps none."""
    holds = None if reply.holds is None else sorted(reply.holds, key=lambda hold: hold.campaign_id)
    rest = (reply.version, reply.now_ms, reply.actions, reply.lost, reply.looking)
    return (*rest, holds, dict(reply.seen), {version: dict(each) for version, each in reply.answered.items()})
