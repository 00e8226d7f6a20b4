"""Keeps the live suppressions of this replica equal to those of its fleet.

A beat tells the version of the newest suppression. What this replica has not read is read at once, a page at
a time, beside the beats. `sending_stop.py` stops the calls of a replica that knows too little,
`suppression_key.py` agrees on the key of the hashes, and `suppression_confirmations.py` finds out what other
replicas have done.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.fleet.store_clock import StoreClock
from gateway.core.fleet.suppressions import (
    FleetSuppressions,
    Suppression,
    SuppressionChanges,
    SuppressionsRequest,
)
from gateway.fleet.actions import CONFIRMED_WITHIN_S
from gateway.fleet.membership import ActionResult, Membership, SharedStateAway, knows_members, other_members
from gateway.fleet.sending_stop import SendingStop, Suspendable
from gateway.fleet.suppressed_numbers import HashKey, NoNumbers, SuppressedNumbers
from gateway.fleet.suppression_confirmations import SuppressionConfirmations
from gateway.fleet.suppression_key import FleetKey
from gateway.shared_state.port import KeyDiffers, SharedState, SharedStateError

log = logging.getLogger(__name__)

KEYED_WITHIN_S = 3.0
"""Seconds in which an operator waits until the fleet has agreed on a key."""
REPORTED_AGAIN_S = 300.0
"""Seconds after which a replica reports again what it has carried out, although nothing has changed: the
store forgets the replicas that report nothing for 15 minutes."""
ASKING_EVERY_S, AGAIN_AFTER_S = 0.03, 0.1
"""Seconds between two exchanges while an operator waits for confirmation, and after one that failed."""


class StaleHashError(Exception):
    """The fleet hashes numbers with another key than that of a hash: nothing was changed.

    The replica gives up its key. The number must be hashed again, after `SuppressionSync.keyed`.
    """


@dataclass(frozen=True, slots=True)
class SuppressionResult:
    """What came of a suppression or its end in a fleet. `existed`: the number was suppressed before."""

    fleet: ActionResult
    existed: bool = False


@dataclass(frozen=True, slots=True)
class SuppressionsRead:
    """What came of reading the suppressions of the fleet. `complete`: everything was read.

    `fleet` names the replicas that have carried out everything that was read, and those that have not. All
    have carried out the suppressions up to the version `everywhere`.
    """

    complete: bool
    fleet: ActionResult
    everywhere: int = 0


class SuppressionSync:
    """Suppresses numbers on all replicas. `now` returns seconds on the gateway's clock.

    `clock` converts the store's time. `wake` is called when calls are permitted again, `changed` after each
    change of the numbers: it makes the dispatcher decide again about all requests.
    """

    def __init__(
        self,
        state: SharedState,
        fleet: Membership,
        permits: Suspendable,
        now: Callable[[], float],
        clock: StoreClock,
        wake: Callable[[], None] = lambda: None,
        *,
        confirmed_within_s: float = CONFIRMED_WITHIN_S,
    ) -> None:
        self._state = state
        self._fleet = fleet
        self._now = now
        self._clock = clock
        self._numbers: SuppressedNumbers = NoNumbers()
        self.changed: Callable[[], None] = lambda: None
        self._suppressions = FleetSuppressions()
        self._key = FleetKey(now, lambda: self._suppressions.settled)
        self._stop = SendingStop(permits, self._suppressions, self._key, now, wake)
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._confirmations = SuppressionConfirmations(fleet, confirmed_within_s, self._wanted.set)
        self._reported, self._reported_at = 0, now()

    def serve(self, numbers: SuppressedNumbers, key: HashKey) -> None:
        """Note the numbers and the key of this process. Called once, before `run`."""
        self._numbers = numbers
        self._key.serve(key)

    # --- for the beat loop --------------------------------------------------------------------------

    def note_newest(self, epoch: str, version: int) -> None:
        """Note what a beat has told of the store, before permits of the same beat are used."""
        if self._suppressions.note_newest(epoch, version):
            self._key.may_be_lost()
        self._stop.judge()
        if self._wants_exchange:
            self._wanted.set()

    async def run(self) -> None:
        """Exchange suppressions whenever there is something to tell or to read, until cancelled."""
        while True:
            if not self._wants_exchange:
                self._wanted.clear()
                await self._wanted.wait()
            if not await self._exchange():
                await asyncio.sleep(AGAIN_AFTER_S)
            elif self._confirmations.asked and not self._has_news:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ASKING_EVERY_S):
                        self._wanted.clear()
                        await self._wanted.wait()

    def in_words(self) -> str | None:
        """Return why nothing is sent, None if the suppressions hinder nothing."""
        return self._stop.in_words()

    @property
    def has_key(self) -> bool:
        """Whether this replica hashes numbers with the key of the fleet."""
        return self._key.agreed

    # --- for operators ------------------------------------------------------------------------------

    async def keyed(self) -> None:
        """Wait until this replica hashes with the key of the fleet. Raises `SharedStateAway` if it does not.

        A hash that was made before means nothing to the others.
        """
        try:
            async with asyncio.timeout(KEYED_WITHIN_S):
                await self._key.wait()
        except TimeoutError:
            raise SharedStateAway from None

    async def suppress(self, number_hash: bytes, actor: str, reason: str) -> SuppressionResult:
        """Suppress a number on all replicas.

        It takes effect here before the shared state is asked. Raises `SharedStateAway` if that does not
        record it: then it is in force here only until it does. Raises also `TooManySuppressions` and
        `StaleHashError`.
        """
        began_with = other_members(self._fleet)
        asked_at_ms = self._clock.ms(self._now())
        suppression = Suppression(number_hash, actor, reason, asked_at_ms, key=self._key.present)
        existed = number_hash in self._suppressions
        with self._suppressions.asking(number_hash):
            recorded = await self._suppressed(suppression)
        self._carry_out(self._suppressions.recorded(recorded))
        existed = existed or (recorded.actor, recorded.reason) != (actor, reason)
        return SuppressionResult(await self._confirmations.confirmed(recorded.version, began_with), existed)

    async def _suppressed(self, suppression: Suppression) -> Suppression:
        """Suppress a number here, record that in the store, and return the record."""
        self._carry_out(self._suppressions.suppress_here(suppression))
        try:
            recorded = await self._state.suppress(suppression)
        except SharedStateError as away:
            if self._is_stale(suppression, away):
                self._carry_out(self._suppressions.withdraw(suppression))
                raise StaleHashError from away
            log.warning("the shared state could not record a suppression: %s", away)
            self._wanted.set()
            raise SharedStateAway from away
        except Exception:
            self._carry_out(self._suppressions.withdraw(suppression))
            raise
        if self._is_stale(suppression):
            self._carry_out(self._suppressions.withdraw(suppression))
            raise StaleHashError
        return recorded

    def _is_stale(self, action: Suppression, away: SharedStateError | None = None) -> bool:
        """Return whether this replica hashes with another key than that of an action, or has to.

        If the store has refused the key, this replica gives it up, unless it knows other suppressions by it.
        """
        if isinstance(away, KeyDiffers) and action.key == self._key.present and not self._key.kept:
            self._give_up_key()
            return True
        return action.key != self._key.present

    async def end(self, number_hash: bytes, actor: str, reason: str) -> SuppressionResult | None:
        """End the suppression of a number on all replicas; None if it is not suppressed.

        Raises `SharedStateAway`: then the number stays suppressed. Raises also `StaleHashError`.
        """
        began_with = other_members(self._fleet)
        asked_at_ms = self._clock.ms(self._now())
        action = Suppression(number_hash, actor, reason, asked_at_ms, ended=True, key=self._key.present)
        known = number_hash in self._suppressions
        try:
            recorded = await self._state.end_suppression(action, known=known)
        except SharedStateError as away:
            if self._is_stale(action, away):
                raise StaleHashError from away
            log.warning("the shared state could not record the end of a suppression: %s", away)
            raise SharedStateAway from away
        if recorded is None:
            return None
        self._carry_out(self._suppressions.recorded(recorded))
        return SuppressionResult(
            await self._confirmations.confirmed(recorded.version, began_with), existed=True
        )

    async def read(self) -> SuppressionsRead:
        """Read what the store has now, and what all replicas have carried out; takes a second or two at most.

        It is one exchange if this replica knows everything already.
        """
        known, began_with = self._suppressions, other_members(self._fleet)
        if not await self._confirmations.up_to_date(lambda: known.certain and self._is_joined):
            return SuppressionsRead(complete=False, fleet=self._confirmations.unconfirmed(began_with))
        version = known.seen
        fleet = await self._confirmations.confirmed(version, began_with)
        members = [*began_with, *other_members(self._fleet)]
        everywhere = self._confirmations.everywhere(version, members)
        return SuppressionsRead(complete=True, fleet=fleet, everywhere=everywhere)

    def get(self, number_hash: bytes) -> Suppression | None:
        """Return the suppression of a number, None if none is in force here; see `FleetSuppressions.get`."""
        return self._suppressions.get(number_hash)

    def __len__(self) -> int:
        """Return how many numbers are suppressed here."""
        return len(self._suppressions)

    # --- exchange -----------------------------------------------------------------------------------

    @property
    def _has_news(self) -> bool:
        """Whether there is something to read, to offer or to report."""
        known = self._suppressions
        is_told = known.seen == self._reported and self._key.agreed
        is_forgotten_soon = self._now() - self._reported_at >= REPORTED_AGAIN_S
        return known.behind or known.has_offers or not is_told or is_forgotten_soon

    @property
    def _wants_exchange(self) -> bool:
        return self._has_news or self._confirmations.asked

    async def _exchange(self) -> bool:
        """Tell the store what it lacks, and read a page; return whether it has answered."""
        known, number = self._suppressions, self._confirmations.begin()
        request = self._request()
        try:
            reply = await self._state.exchange_suppressions(request)
        except SharedStateError as problem:
            self._stop.unanswered(problem)
            return False
        self._stop.answered()
        if not self._key.take(reply.key):
            self._stop.judge()
            return False
        self._reported, self._reported_at = request.seen, self._now()
        self._carry_out(known.read(reply, request.offers))
        if request.asks:
            self._confirmations.replied(number, reply.seen)
        self._stop.judge()
        return self._key.agreed  # else it asks again after a pause

    def _request(self) -> SuppressionsRequest:
        known = self._suppressions
        return SuppressionsRequest(
            self._fleet.member.member,
            known.seen,
            known.after,
            self._key.proposed,
            knows=self._key.kept,
            offers=known.offered(),
            asks=self._confirmations.asked,
        )

    def _give_up_key(self) -> None:
        """Have this replica read the key of its fleet again: the store has another one."""
        self._key.may_be_lost()
        self._wanted.set()

    @property
    def _is_joined(self) -> bool:
        """Whether this replica has the key of its fleet, and knows the other replicas."""
        return self._key.agreed and knows_members(self._fleet)

    def _carry_out(self, changes: SuppressionChanges) -> None:
        """Put changes in force in this process. Calls stop before this returns."""
        if not changes:
            return
        for number_hash in changes.ended:
            self._numbers.remove(number_hash)
        try:
            for one in changes.added:
                self._numbers.add(one.number_hash)
        except OverflowError:
            self._stop.too_many()
        self.changed()
