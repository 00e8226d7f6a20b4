"""Exchanges claims, settlements and look-ups of client tokens with the shared state of the fleet.

No answer waits for a slow shared state: a claim or look-up that fails is reported as None, and the core goes
on in doubt. Settlements are written after the answers, in order, from a bounded backlog.

A shared state that was restarted, flushed or replaced may have lost records. Then every replica writes its
recent settlements again, and tokens without a record count as in doubt (`core/claims/doubts.py` says until
when). It also writes its recent contacts again, and sends nothing under contact limits until all replicas
have.
"""

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Protocol

from gateway.core.claims.doubts import WRITE_AGAIN_S, Doubts
from gateway.core.fleet.contacts import Contact, ContactCount
from gateway.core.fleet.fingerprints import Fingerprints
from gateway.core.fleet.messages import Claim, Claimed, Member, TokenRecord
from gateway.fleet.counted_contacts import CountedContacts
from gateway.fleet.ledger_questions import AWAY_S, LedgerQuestions
from gateway.fleet.settlements import BACKLOG_LIMIT, Addressed, Settlements
from gateway.shared_state.port import SharedState, SharedStateError

log = logging.getLogger(__name__)

KEY_BYTES = 32
OWED_S = WRITE_AGAIN_S
"""Seconds for which the shared state notes that results of calls without claims are not written yet. It is
noted again after half of them."""


class Ledger(Protocol):
    """The core's part of the ledger (`FleetLedger`)."""

    fingerprints: Fingerprints

    def doubt(self, now: float, until: float) -> None:
        """Count tokens without a record as in doubt until an instant."""
        ...

    def beat_answered(self, now: float) -> None:
        """Note that the shared state has answered a beat."""
        ...

    contacts_known_from: float
    """The instant from which on the shared state has all contacts that replicas have counted."""

    @property
    def has_limits(self) -> bool:
        """Whether any campaign has contact limits now."""
        ...


class Claims:
    """The ledger's messages of one replica, `member`; `live` returns the members that are alive.

    `key` is the secret key of fingerprints. If it is None, the fleet keeps one in the shared state. Claims
    and look-ups without a reply are sent again after `again_after_s`.
    """

    def __init__(
        self,
        state: SharedState,
        ledger: Ledger,
        member: str,
        live: Callable[[], Sequence[str]],
        now: Callable[[], float],
        replay_window_s: float,
        key: bytes | None = None,
        *,
        again_after_s: float = 0.25,
        sleep: Callable[[float], Coroutine[None, None, None]] = asyncio.sleep,
        new_key: Callable[[int], bytes] = secrets.token_bytes,
        backlog_limit: int = BACKLOG_LIMIT,
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._member = member
        self._live = live
        self._now = now
        self._replay_window_s = replay_window_s
        self._questions = LedgerQuestions(now, again_after_s, self._changed)
        self._sleep = sleep
        self._new_key = new_key
        self._has_key_file = key is not None
        ledger.fingerprints = Fingerprints(key or new_key(KEY_BYTES))
        self._settlements = Settlements(backlog_limit)
        self._contacts = CountedContacts()
        self._must_note_loss, self._contacts_from = False, -math.inf
        self._wake, self._written = _set_event(), _set_event()
        self._epoch = ""
        self._doubts = Doubts(member)
        self._kept_key: bytes | None = None
        self._must_check = True
        self._mark_until = -math.inf
        self._changed_before_key = False
        self._owes_results, self._noted_at = False, -math.inf
        self._tell_contacts()

    @property
    def waiting(self) -> int:
        """How many settlements wait to be written."""
        return self._settlements.waiting

    @property
    def lost(self) -> int:
        """How many settlements were dropped. Their claims stay in the shared state, which means doubt."""
        return self._settlements.lost

    async def claim(self, campaign_id: str, claims: Sequence[Claim]) -> list[Claimed] | None:
        """Claim the tokens of one call; None if the shared state did not answer."""
        asked_at = self._now()
        verdicts = await self._questions.ask_idempotent(
            lambda: self._state.claim(campaign_id, self._member, self._live(), claims)
        )
        if verdicts is None or len(verdicts) != len(claims):
            return None
        if any(claim.contact is not None for claim in claims):
            self._contacts.counted(asked_at, claims, verdicts)
        return verdicts

    async def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount] | None:
        """Return whether contacts would have room now; None if that is not known.

        It is not if the shared state does not answer, or if replicas may still write what it has lost.
        """
        if self._contacts.must_restore or self._now() < self._contacts_from:
            return None
        try:
            return await self._state.look_at_contacts(looked_at)
        except SharedStateError:
            return None

    async def look_up(self, campaign_id: str, tokens: Sequence[str]) -> Mapping[str, TokenRecord] | None:
        """Return the records of tokens; None if the shared state did not answer."""
        return await self._questions.ask_idempotent(
            lambda: self._state.look_up(campaign_id, self._live(), tokens)
        )

    def unclaimed(self) -> None:
        """Note that a call is sent without claims.

        Until its results are written, the shared state is to tell replicas that tokens without a record may
        have been sent: a replica that starts after an outage knows nothing of the outage.
        """
        self._owes_results = True
        self._written.clear()
        self._wake.set()

    def settle(self, settlements: Iterable[Addressed]) -> None:
        """Record how claims have ended, with their campaigns, as soon as the shared state answers."""
        settlements = list(settlements)
        if self._contacts:
            self._contacts.settled(settlements)
        lost = self._settlements.lost
        self._settlements.add(settlements)
        if self._settlements.lost and not lost:
            log.warning(
                "the shared state is away for so long that results of calls are lost to other replicas"
            )
        if self._settlements:
            self._written.clear()
            self._wake.set()

    def seen(self, epoch: str, members: Sequence[Member], epoch_age_s: float = math.inf) -> None:
        """Note the epoch of the shared state and the members of the fleet, as a beat has returned them.

        A new epoch means that records may be lost. `epoch_age_s` is for how long it has lasted.
        """
        now = self._now()
        self._ledger.beat_answered(now)
        self._questions.answers()
        changed = self._doubts.seen(now, members, self._replay_window_s, epoch_age_s)
        if changed:
            self._tell_doubt(now)
        if not self._epoch and epoch_age_s < WRITE_AGAIN_S:  # others may not have written their contacts yet
            self._contacts_from = now + WRITE_AGAIN_S - epoch_age_s
            self._tell_contacts()
        if self._epoch and epoch != self._epoch:
            self._changed()
        self._epoch = epoch

    def _changed(self) -> None:
        """Note that the shared state may have lost records."""
        self._contacts.may_be_lost()
        self._tell_contacts()
        if self._must_check:  # that is being checked already
            if self._kept_key is None:  # and cannot be checked: no replica may know the lost data
                self._changed_before_key = True
                self._doubts.records_may_be_lost()
                self._tell_doubt(self._now())
            return
        self._must_check = True
        self._doubts.records_may_be_lost()
        self._tell_doubt(self._now())
        self._settlements.write_again(self._now())
        self.settle(())
        self._wake.set()

    def _tell_doubt(self, now: float) -> None:
        """Tell the core until when tokens are in doubt; a long doubt is for all replicas, also new ones."""
        until = self._doubts.until
        self._ledger.doubt(now, until)
        if now + WRITE_AGAIN_S < until < math.inf:
            self._mark_until = until
            self._wake.set()

    def _tell_contacts(self) -> None:
        """Tell the core from when on the shared state has the contacts of all replicas."""
        unsure = self._must_check or self._must_note_loss or self._contacts.must_restore
        self._ledger.contacts_known_from = math.inf if unsure else self._contacts_from

    async def written(self) -> None:
        """Wait until all settlements have been written."""
        await self._written.wait()

    async def run(self) -> None:
        """Get the key of fingerprints, and write settlements to the shared state, until cancelled."""
        while True:
            await self._wake.wait()
            if self._must_check:
                done = await self._check()
            elif self._mark_until > self._now():
                done = await self._mark()
            elif self._owes_results and self._now() - self._noted_at >= OWED_S / 2:
                done = await self._note_owed()
            elif self._must_note_loss or self._contacts.must_restore:
                done = await self._restore_contacts()
            elif self._settlements:
                done = await self._write_some()
            else:
                self._owes_results = False
                self._wake.clear()
                self._written.set()
                continue
            if not done:
                await self._sleep(AWAY_S)

    async def _check(self) -> bool:
        """Find out whether the shared state has lost its data; return whether it has answered.

        The first replica keeps a random key there. If that is gone, all data are.
        """
        kept = await self._questions.ask(self._state.keep_fingerprint_key(self._new_key(KEY_BYTES)))
        if kept is None:
            return False
        self._must_check = False
        before, self._kept_key = self._kept_key, kept
        if not self._has_key_file and kept != before:
            self._ledger.fingerprints = Fingerprints(kept)
        if before is not None or self._changed_before_key:
            self._changed_before_key = False
            now, lost_all = self._now(), kept != before
            self._doubts.checked(now, self._replay_window_s, lost_all=lost_all)
            self._tell_doubt(now)
            self._contacts_from = now + WRITE_AGAIN_S
            self._must_note_loss |= lost_all and self._ledger.has_limits
            what = "all its records" if lost_all else "perhaps its last records"
            log.warning("the shared state has lost %s of client tokens: others may be in doubt now", what)
        self._tell_contacts()
        return True

    async def _restore_contacts(self) -> bool:
        """Note a loss of contacts, or write some again; return whether the shared state has taken it."""
        noting = self._must_note_loss
        if noting:
            work = self._state.lose_contacts()
        else:
            work = self._state.restore_contacts(self._member, *self._contacts.take(self._now()))
        done = await self._questions.execute(work)
        if done and noting:
            self._must_note_loss = False
        elif done:
            self._contacts.restored()
        self._tell_contacts()
        return done

    async def _mark(self) -> bool:
        """Note the doubt in the shared state; return whether it has taken it."""
        until = self._mark_until
        done = await self._questions.execute(self._state.doubt(until - self._now()))
        if done and self._mark_until == until:
            self._mark_until = -math.inf
        return done

    async def _note_owed(self) -> bool:
        """Note in the shared state that results wait to be written; return whether it has taken the note."""
        now = self._now()
        done = await self._questions.execute(self._state.doubt(OWED_S))
        if done:
            self._noted_at = now
        return done

    async def _write_some(self) -> bool:
        """Write the settlements of one command; return whether the shared state has taken them."""
        campaign_id, part = self._settlements.take()
        done = False
        try:
            writing = self._state.settle(campaign_id, self._member, part)
            done = await self._questions.execute(writing)
        finally:
            if done:
                self._settlements.written(self._now(), campaign_id, part)
            else:
                self._settlements.put_back(campaign_id, part)
        return done


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
