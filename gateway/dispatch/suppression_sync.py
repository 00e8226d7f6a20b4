"""Keeps the live suppressions of this replica equal to those of its fleet.

A beat tells the version of the newest suppression. What this replica has not read is read at once, a page at
a time, beside the beats. Nothing is sent before everything was read once, nor while the replica knows for
longer than `BEHIND_S` that it has not read everything.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.fleet.messages import Member
from gateway.core.fleet.store_clock import StoreClock
from gateway.core.fleet.suppressions import (
    FleetSuppressions,
    Suppression,
    SuppressionChanges,
    SuppressionsReply,
    SuppressionsRequest,
)
from gateway.dispatch.fleet_actions import CONFIRMED_WITHIN_S
from gateway.dispatch.fleet_control import ActionResult, Membership, SharedStateAway, knows_members
from gateway.dispatch.suppressed_numbers import HashKey, NoKey, NoNumbers, SuppressedNumbers
from gateway.shared_state.port import SharedState, SharedStateError

log = logging.getLogger(__name__)

PROPOSED_AFTER_S, KEYED_WITHIN_S = 1.0, 3.0
"""Seconds for which the fleet has no key after which a replica that knows no suppressions proposes its own,
and in which an operator waits for that. Replicas that know suppressions propose theirs at once: a store that
has lost its data gets the key back before a new replica can fill it with hashes of another key."""
BEHIND_S = 0.4
"""Seconds for which a replica goes on sending while it reads suppressions that a beat has told of."""
REPORTED_AGAIN_S = 300.0
"""Seconds after which a replica reports again what it has carried out, although nothing has changed: the
store forgets the replicas that report nothing for 15 minutes."""
ASKING_EVERY_S, AGAIN_AFTER_S = 0.03, 0.1
"""Seconds between two exchanges while an operator waits for confirmation, and after one that failed."""


class Suspendable(Protocol):
    """What permits the calls of this replica."""

    suspended: bool


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
        self._wake = wake
        self._state = state
        self._fleet = fleet
        self._permits = permits
        self._now = now
        self._clock = clock
        self._confirmed_within_s = confirmed_within_s
        self._numbers: SuppressedNumbers = NoNumbers()
        self._key: HashKey = NoKey()
        self.changed: Callable[[], None] = lambda: None
        self._suppressions = FleetSuppressions()
        self._reported, self._reported_at = 0, now()
        self._asks = 0
        self._begun = self._answered = 0  # exchanges: how many have begun, and which was answered last
        self._seen_by: Mapping[str, int] = {}
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._reply = asyncio.Event()
        self._behind_since: float | None = None
        self._foreign_key = self._too_many = False
        self._agreed = asyncio.Event()
        self._keyless_since: float | None = None
        self._is_logged = False
        permits.suspended = True

    def serve(self, numbers: SuppressedNumbers, key: HashKey) -> None:
        """Note the numbers and the key of this process. Called once, before `run`."""
        self._numbers, self._key = numbers, key

    # --- for the beat loop --------------------------------------------------------------------------

    def note_newest(self, epoch: str, version: int) -> None:
        """Note what a beat has told of the store, before permits of the same beat are used."""
        may_have_lost_key = self._suppressions.note_newest(epoch, version) and not self._keeps_key
        if may_have_lost_key:
            self._agreed.clear()
            self._keyless_since = None
        self._judge()
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
            elif self._asks and not self._has_news:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ASKING_EVERY_S):
                        self._wanted.clear()
                        await self._wanted.wait()

    def in_words(self) -> str | None:
        """Return why nothing is sent, None if the suppressions hinder nothing."""
        if self._foreign_key:
            return (
                "the suppressed numbers of the fleet are hashed with another key: "
                "DIAL_GATEWAY_GUARD_KEY_FILE must have the same key on all replicas; nothing is sent"
            )
        if self._too_many:
            return "more numbers are suppressed than this replica can keep; nothing is sent"
        if self._permits.suspended:
            return "the suppressed numbers of the fleet were not read yet; nothing is sent"
        return None

    # --- for operators ------------------------------------------------------------------------------

    async def keyed(self) -> None:
        """Wait until this replica hashes with the key of the fleet. Raises `SharedStateAway` if it does not.

        A hash that was made before means nothing to the others.
        """
        try:
            async with asyncio.timeout(KEYED_WITHIN_S):
                await self._agreed.wait()
        except TimeoutError:
            raise SharedStateAway from None

    async def suppress(self, number_hash: bytes, actor: str, reason: str) -> SuppressionResult:
        """Suppress a number on all replicas.

        It takes effect here before the shared state is asked. Raises `SharedStateAway` if that does not
        record it: then it is in force here only until it does. Raises also `TooManySuppressions`.
        """
        began_with = self._others()
        asked_at_ms = self._clock.ms(self._now())
        suppression = Suppression(number_hash, actor, reason, asked_at_ms)
        existed = number_hash in self._suppressions
        self._carry_out(self._suppressions.suppress_here(suppression))
        try:
            recorded = await self._state.suppress(suppression)
        except SharedStateError as away:
            log.warning("the shared state could not record a suppression: %s", away)
            self._wanted.set()
            raise SharedStateAway from away
        except Exception:
            self._carry_out(self._suppressions.withdraw(suppression))
            raise
        self._carry_out(self._suppressions.recorded(recorded))
        existed = existed or (recorded.actor, recorded.reason) != (actor, reason)
        return SuppressionResult(await self._confirmed(recorded.version, began_with), existed)

    async def end(self, number_hash: bytes, actor: str, reason: str) -> SuppressionResult | None:
        """End the suppression of a number on all replicas; None if it is not suppressed.

        Raises `SharedStateAway`: then the number stays suppressed.
        """
        began_with = self._others()
        action = Suppression(number_hash, actor, reason, self._clock.ms(self._now()), ended=True)
        known = number_hash in self._suppressions
        try:
            recorded = await self._state.end_suppression(action, known=known)
        except SharedStateError as away:
            log.warning("the shared state could not record the end of a suppression: %s", away)
            raise SharedStateAway from away
        if recorded is None:
            return None
        self._carry_out(self._suppressions.recorded(recorded))
        return SuppressionResult(await self._confirmed(recorded.version, began_with), existed=True)

    async def read(self) -> SuppressionsRead:
        """Read what the store has now, and what all replicas have carried out; takes a second or two at most.

        It is one exchange if this replica knows everything already.
        """
        others, begun, known = self._others(), self._begun, self._suppressions
        with self._asking():
            try:
                async with asyncio.timeout(self._confirmed_within_s):
                    while self._answered <= begun or not (known.certain and self._is_joined):
                        await self._reply.wait()
            except TimeoutError:
                here, missing = self._fleet.member.name, (each.name for each in others)
                return SuppressionsRead(
                    complete=False, fleet=ActionResult(confirmed=(here,), unconfirmed=tuple(sorted(missing)))
                )
        version = known.seen
        fleet = await self._confirmed(version, others)
        seen = [self._seen_by.get(each.member, 0) for each in [*others, *self._others()]]
        return SuppressionsRead(complete=True, fleet=fleet, everywhere=min(seen, default=version))

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
        is_told = known.seen == self._reported and self._agreed.is_set()
        is_forgotten_soon = self._now() - self._reported_at >= REPORTED_AGAIN_S
        return known.behind or known.has_offers or not is_told or is_forgotten_soon

    @property
    def _wants_exchange(self) -> bool:
        return self._has_news or self._asks > 0

    async def _exchange(self) -> bool:
        """Tell the store what it lacks, and read a page; return whether it has answered."""
        known, key = self._suppressions, self._key
        self._begun += 1
        begun, offers = self._begun, known.offered()
        request = SuppressionsRequest(
            self._fleet.member.member,
            known.seen,
            known.after,
            self._proposed(key),
            knows=self._keeps_key,
            offers=offers,
            asks=self._asks > 0,
        )
        try:
            reply = await self._state.exchange_suppressions(request)
        except SharedStateError as problem:
            self._failed(problem)
            return False
        self._is_logged = False
        if not self._agrees(key, reply):
            return False
        self._reported, self._reported_at = request.seen, self._now()
        self._carry_out(known.read(reply, offers))
        if request.asks:
            self._answered, self._seen_by = begun, reply.seen
            self._reply.set()
            self._reply = asyncio.Event()
        self._judge()
        return self._agreed.is_set()  # else it asks again after a pause

    @property
    def _keeps_key(self) -> bool:
        """Whether this replica cannot take another key: its own is of a file, or is that of its hashes."""
        return self._key.fixed or len(self._suppressions) > 0

    def _proposed(self, key: HashKey) -> bytes:
        """Return the key to propose to the fleet, empty if others may have one that is in use."""
        if self._keeps_key or self._agreed.is_set():
            return key.key
        since = self._keyless_since
        return key.key if since is not None and self._now() - since >= PROPOSED_AFTER_S else b""

    def _agrees(self, key: HashKey, reply: SuppressionsReply) -> bool:
        """Return whether the page of a reply can be used; take the key of the fleet if this replica can."""
        if not reply.key:
            if self._keyless_since is None:
                self._keyless_since = self._now()
            return True  # nothing is suppressed yet
        if reply.key != key.key and self._keeps_key:
            if not self._foreign_key:
                self._foreign_key = True
                log.error("%s", self.in_words())
            self._judge()
            return False
        if reply.key != key.key:
            key.use(reply.key)
        self._foreign_key = False
        self._agreed.set()
        return True

    def _failed(self, problem: SharedStateError) -> None:
        self._judge()
        if self._permits.suspended and not self._is_logged:
            self._is_logged = True
            log.error("the suppressed numbers of the fleet cannot be read: %s; nothing is sent", problem)

    def _judge(self) -> None:
        """Decide whether this replica knows enough to send."""
        now, before = self._now(), self._permits.suspended
        if not self._suppressions.behind:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        is_late = self._behind_since is not None and (before or now - self._behind_since >= BEHIND_S)
        self._permits.suspended = is_late or self._foreign_key or self._too_many
        if self._permits.suspended != before:
            self._wake()

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
            self._too_many = True
            self._judge()
        self.changed()

    # --- confirmation ---------------------------------------------------------------------------------

    def _others(self) -> list[Member]:
        here = self._fleet.member.member
        return [member for member in self._fleet.members if member.member != here]

    async def _confirmed(self, version: int, began_with: Sequence[Member]) -> ActionResult:
        """Wait until the live replicas have carried out a version; return which have.

        A replica that was a member when the action was requested is named even if it has left since: it may
        be alive without reaching the store.
        """
        with self._asking(), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._confirmed_within_s):
                while not self._all_have_seen(version):
                    await self._reply.wait()
        confirmed, unconfirmed = [self._fleet.member.name], list[str]()
        for member in {each.member: each for each in [*began_with, *self._others()]}.values():
            (confirmed if self._has_seen(member, version) else unconfirmed).append(member.name)
        return ActionResult(
            confirmed=tuple(sorted(confirmed)),
            unconfirmed=tuple(sorted(unconfirmed)),
            only_here=not knows_members(self._fleet),
        )

    @property
    def _is_joined(self) -> bool:
        """Whether this replica has the key of its fleet, and knows the other replicas."""
        return self._agreed.is_set() and knows_members(self._fleet)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Have each exchange ask what the other replicas have carried out; one begins at once."""
        self._asks += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._asks -= 1

    def _has_seen(self, member: Member, version: int) -> bool:
        return self._seen_by.get(member.member, 0) >= version

    def _all_have_seen(self, version: int) -> bool:
        seen = all(self._has_seen(member, version) for member in self._others() if not member.lost)
        return seen and knows_members(self._fleet)
