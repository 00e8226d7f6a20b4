"""The contacts that this replica has counted in the last minute.

They are written again if the store may have lost them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.core.fleet.contacts import Contact, KeptContact
from gateway.core.fleet.messages import Claim, Claimed
from gateway.fleet.settlements import Addressed

RECENT_S, RECENT_LIMIT = 60.0, 20_000
"""Seconds for which counted contacts are kept, and how many at most."""
AT_ONCE = 100
"""Contacts that are written again in one command."""


class _Recent(NamedTuple):
    at: float
    claim: Claim
    contact: Contact


class CountedContacts:
    """The contacts by the hashes of number and dial request, the oldest first; at most `limit`."""

    def __init__(self, limit: int = RECENT_LIMIT) -> None:
        self._limit = limit
        self._recent: dict[tuple[bytes, bytes], _Recent] = {}
        self._again: list[_Recent] = []
        self._forgotten_at = float("-inf")
        self.must_restore = False
        """Whether the store may have lost contacts. Then `take` and `restored` follow."""

    def __len__(self) -> int:
        return len(self._recent) + len(self._again)

    def counted(self, at: float, claims: Sequence[Claim], verdicts: Sequence[Claimed]) -> None:
        """Note what the store has counted for the claims of a call that were made at `at`."""
        for claim, verdict in zip(claims, verdicts, strict=True):
            contact = claim.contact
            if contact is not None and verdict.count is not None and verdict.count.full is None:
                key = contact.number, contact.call
                self._recent.pop(key, None)
                self._recent[key] = _Recent(at, claim, contact)
        self._forget_old(at)

    def settled(self, settlements: Iterable[Addressed]) -> None:
        """Forget the contacts that settlements withdraw."""
        for _, settlement in settlements:
            contact = settlement.withdrawn
            recent = None if contact is None else self._recent.get((contact.number, contact.call))
            if contact is not None and recent is not None and recent.claim.number == settlement.number:
                del self._recent[contact.number, contact.call]

    def may_be_lost(self) -> None:
        """Note that the store may have lost contacts."""
        self.must_restore = True
        self._again = list(self._recent.values())

    def take(self, now: float) -> tuple[float, list[KeptContact]]:
        """Return for how many seconds all contacts are kept, and those to write again in one command."""
        part = [
            KeptContact(recent.contact, recent.claim.number, recent.claim.in_doubt, _ms(now - recent.at))
            for recent in self._again[:AT_ONCE]
        ]
        return now - self._forgotten_at, part

    def restored(self) -> None:
        """Note that the store has taken the contacts that `take` returned."""
        del self._again[:AT_ONCE]
        self.must_restore = bool(self._again)

    def _forget_old(self, now: float) -> None:
        while self._recent:
            key, oldest = next(iter(self._recent.items()))
            if oldest.at >= now - RECENT_S and len(self._recent) <= self._limit:
                return
            del self._recent[key]
            self._forgotten_at = max(self._forgotten_at, oldest.at)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
