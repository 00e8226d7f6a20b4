"""The shared state as one replica of the gateway reaches it, over a model of the server."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from gateway.core.fleet.contacts import Contact, ContactCount, Counts, KeptContact
from gateway.core.fleet.messages import Claim, Claimed, FleetAction, Settlement, TokenRecord
from gateway.core.fleet.suppressions import Suppression, SuppressionsReply, SuppressionsRequest
from gateway.shared_state.port import Beat, BeatReply, SharedStateUnavailable
from gateway.shared_state.rules.model_store import ModelStore
from gateway.shared_state.store_watch import Marks, StoreWatch, claimed_in_doubt, found_in_doubt, whole_ms

_Reply = TypeVar("_Reply")
Hook = Callable[[str], Awaitable[None]]


async def _at_once(operation: str) -> None:
    """Pass a message on without delay."""


class ModelState:
    """Implements `SharedState` without a server or a network.

    Another `store` may take its place at any time, as after a fail-over. `on_request` and `on_reply` are
    awaited with the name of the operation before and after it is carried out. They may wait, so that messages
    are late or overtake each other, and may raise `SharedStateUnavailable`, so that messages are lost.
    `partitioned`: no message arrives.
    """

    def __init__(self, store: ModelStore, *, on_request: Hook = _at_once, on_reply: Hook = _at_once) -> None:
        self.store = store
        self.on_request = on_request
        self.on_reply = on_reply
        self.partitioned = False
        self.closed = False
        self._watch = StoreWatch()

    async def beat(self, beat: Beat) -> BeatReply:
        """Exchange a beat."""
        return await self._exchange("beat", lambda: self.store.beat(beat))

    async def claim(
        self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim the tokens of one call, and count its contacts."""
        limited = any(claim.contact is not None for claim in claims)
        counted_ms = self._watch.counted_ms

        def carry_out() -> tuple[list[Claimed], Counts | None, Marks]:
            counts = self.store.count_contacts(member, counted_ms, claims) if limited else None
            return self.store.claim(campaign_id, member, live, claims), counts, self.store.marks()

        verdicts, counts, marks = await self._exchange("claim", carry_out)
        self._watch.check(marks)
        verdicts = claimed_in_doubt(verdicts, marks)
        return verdicts if counts is None else self._watch.with_counts(verdicts, counts)

    async def settle(self, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims ended, and withdraw contacts."""

        def carry_out() -> None:
            self.store.settle(campaign_id, member, settlements)
            if any(one.withdrawn is not None for one in settlements):
                self.store.withdraw_contacts(member, settlements)

        await self._exchange("settle", carry_out)

    async def restore_contacts(self, member: str, covered_s: float, kept: Sequence[KeptContact]) -> None:
        """Write contacts again."""
        counted_ms, covered_ms = self._watch.counted_ms, whole_ms(covered_s)
        await self._exchange(
            "restore_contacts",
            lambda: self.store.restore_contacts(member, counted_ms, covered_ms, kept),
        )

    async def lose_contacts(self) -> None:
        """Note that contacts were lost."""
        await self._exchange("lose_contacts", self.store.lose_contacts)

    async def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount]:
        """Tell whether contacts would have room now."""
        return await self._exchange("look_at_contacts", lambda: self.store.look_at_contacts(looked_at))

    async def look_up(
        self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> Mapping[str, TokenRecord]:
        """Return the records of those tokens that have one."""
        records, marks = await self._exchange(
            "look_up", lambda: (self.store.look_up(campaign_id, live, tokens), self.store.marks())
        )
        self._watch.check(marks)
        return found_in_doubt(records, tokens, marks)

    async def doubt(self, for_s: float) -> None:
        """Note for all replicas that tokens without a record may have been sent."""
        await self._exchange("doubt", lambda: self.store.doubt(for_s))

    async def keep_fingerprint_key(self, new: bytes) -> bytes:
        """Keep a new key of fingerprints if there is none; return the key that is kept."""
        kept = await self._exchange("keep_fingerprint_key", lambda: self.store.keep_fingerprint_key(new))
        self._watch.know(kept)
        return kept

    async def act(self, action: FleetAction) -> FleetAction | None:
        """Record an operator's action."""
        return await self._exchange("act", lambda: self.store.act(action))

    async def exchange_suppressions(self, request: SuppressionsRequest) -> SuppressionsReply:
        """Offer suppressions, and read a page of them."""
        return await self._exchange("suppressions", lambda: self.store.exchange_suppressions(request))

    async def suppress(self, action: Suppression) -> Suppression:
        """Record a suppression."""
        return await self._exchange("suppress", lambda: self.store.suppress(action))

    async def end_suppression(self, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression."""
        return await self._exchange(
            "end_suppression", lambda: self.store.end_suppression(action, known=known)
        )

    async def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Publish a member's report."""
        await self._exchange("publish", lambda: self.store.publish(member, report, keep_s))

    async def reports(self) -> Mapping[str, bytes]:
        """Return the present report of each member."""
        return await self._exchange("reports", self.store.reports)

    async def close(self) -> None:
        """Close the connections."""
        self.closed = True

    async def _exchange(self, name: str, operation: Callable[[], _Reply]) -> _Reply:
        await self.on_request(name)
        self._check_reachable()
        reply = operation()
        await self.on_reply(name)
        self._check_reachable()
        return reply

    def _check_reachable(self) -> None:
        if self.partitioned:
            raise SharedStateUnavailable("the shared state did not answer in time")
