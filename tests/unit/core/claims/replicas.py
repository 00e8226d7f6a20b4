"""Replicas of a fleet for tests of the core: engines that share the rules of one ledger and its contacts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.core.compliance.port import RequestGuard
from gateway.core.engine import Decision, Engine, Limits
from gateway.core.fleet.fingerprints import Fingerprints
from gateway.core.fleet.messages import Claimed, Settlement
from gateway.core.fleet.token_look_up import TokenLookUp
from gateway.core.model import Answer, Batch, Settled
from gateway.core.quota.fleet_permits import QuotaMember
from gateway.shared_state.rules.contacts import ContactRules
from gateway.shared_state.rules.ledger import LedgerRules
from tests.unit.core.making import Bench, Caller, dial


@dataclass
class Store:
    """The ledger of the fleet, its contacts, its live members, and whether it answers."""

    rules: LedgerRules = field(default_factory=LedgerRules)
    contacts: ContactRules = field(default_factory=ContactRules)
    live: list[str] = field(default_factory=list)
    away: bool = False


class Replica(Bench):
    """One replica. Claims and look-ups are answered at once, unless `late` is set: then look-ups wait."""

    def __init__(
        self,
        store: Store,
        member: str,
        guard: RequestGuard | None = None,
        quota: QuotaMember | None = None,
        **limits: Any,
    ) -> None:
        super().__init__(**limits)
        self.engine = Engine(Limits(**limits), random.Random(1), fleet_member=member, fleet_quota=quota)
        if guard is not None:
            self.engine.guarding.use(guard)
        assert self.engine.fleet_ledger is not None
        self.ledger = self.engine.fleet_ledger
        self.ledger.fingerprints = Fingerprints(b"key")
        self.store, self.member = store, member
        store.live.append(member)
        self.late = False
        self.look_ups: list[TokenLookUp] = []
        self.asked: list[tuple[str, int]] = []
        """The purpose and the number of tokens of each look-up."""

    def poll(self, now: float) -> Decision:
        """Poll, and let the store answer the look-ups."""
        decision = super().poll(now)
        self.look_ups += decision.token_look_ups
        self.asked += [(one.purpose.value, len(one.entries)) for one in decision.token_look_ups]
        if not self.late:
            self.answer_look_ups(now)
        return decision

    def answer_look_ups(self, now: float) -> list[Settled]:
        """Let the store answer the look-ups that wait for it."""
        look_ups, self.look_ups = self.look_ups, []
        for one in look_ups:
            records = None
            if not self.store.away:
                records = self.store.rules.look_up(ms(now), one.campaign_id, self.store.live, one.tokens)
            self.ledger.found(now, one, records)
        settled = self.take_answers(now)
        self.settled += settled
        return settled

    def claim(self, now: float, batch: Batch) -> bool:
        """Claim the tokens of a call; return whether it is to be sent."""
        return self.claimed(now, batch, self.ask_claims(now, batch))

    def ask_claims(self, now: float, batch: Batch) -> list[Claimed] | None:
        """Let the store answer the claims of a call."""
        claims = self.ledger.claims(batch)
        if self.store.away:
            return None
        claimed = self.store.rules.claim(ms(now), batch.campaign_id, self.member, self.store.live, claims)
        counts = self.store.contacts.count(ms(now), self.member, 0, claims).contacts
        return [replace(one, count=count) for one, count in zip(claimed, counts or (), strict=True)]

    def claimed(
        self, now: float, batch: Batch, verdicts: Sequence[Claimed] | None, asked_at: float | None = None
    ) -> bool:
        """Report the verdicts on the claims of a call."""
        sent = self.engine.claimed(now, batch, now if asked_at is None else asked_at, verdicts)
        self.settle(now)
        self.take_answers(now)
        return sent

    def send_call(self, now: float) -> Batch:
        """Poll for exactly one call, claim its tokens, and send it."""
        batch = self.call(now)
        assert self.claim(now, batch)
        return batch

    def complete(self, now: float, batch: Batch, **report: Any) -> list[Settled]:
        """Complete a call, and settle its claims."""
        settled = super().complete(now, batch, **report)
        self.settle(now)
        return settled

    def complete_unsettled(self, now: float, batch: Batch, **report: Any) -> list[Settled]:
        """Complete a call; its settlements wait until `settle`."""
        return super().complete(now, batch, **report)

    def settle(self, now: float) -> list[tuple[str, Settlement]]:
        """Record the settlements, unless the store is away; return them."""
        settlements = self.ledger.take_settlements()
        for campaign_id, one in settlements:
            if not self.store.away:
                self.store.rules.settle(ms(now), campaign_id, self.member, [one])
                self.store.contacts.withdraw(ms(now), self.member, [one])
        return settlements

    def begin(self, now: float, *tokens: str, expires_at: float | None = None) -> Caller:
        """Submit dial requests of a new caller, who then half-closes, so that they do not linger."""
        caller = Caller()
        for token in tokens:
            self.send(now, caller, dial(token) if expires_at is None else dial(token, expires_at=expires_at))
        self.engine.source_closed(now, caller.source)
        return caller


def ms(now: float) -> int:
    """Return the store's clock at an instant."""
    return round(now * 1000)


def only(caller: Caller) -> Answer:
    """Return the one answer of a caller."""
    (answer,) = caller.answers.values()
    return answer


def outcomes(caller: Caller) -> set[str]:
    """Return the different outcomes and reasons of a caller's answers."""
    return {f"{answer.outcome.name} {answer.reason.name}" for answer in caller.answers.values()}
