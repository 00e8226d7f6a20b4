"""The rules of contacts in plain Python: what the scripts about contacts do."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit, Counts, KeptContact
from gateway.core.fleet.messages import Claim, Settlement

LimitedNumber = tuple[str, bytes]
"""The name of a limit and the hash of a number."""


@dataclass(slots=True, eq=False)
class Counted:
    """A contact under one limit; `at_ms` is when it was placed in a call last."""

    at_ms: int
    call: bytes
    member: str
    number: int
    in_doubt: bool


@dataclass(slots=True)
class Numbered:
    """The contacts of a number under one limit, the oldest first. They are removed after `ends_ms`.

    `is_ours`: a gateway has written all of it.
    """

    contacts: list[Counted] = field(default_factory=list)
    ends_ms: int = 0
    is_ours: bool = True


@dataclass(slots=True)
class ContactRules:
    """All contacts.

    `lost_at_ms` is when the store has lost contacts, 0 if it has not; `counted_ms` is when each member has
    counted last. Both are kept for the longest period of a limit, which no test reaches.
    """

    numbers: dict[LimitedNumber, Numbered] = field(default_factory=dict)
    lost_at_ms: int = 0
    counted_ms: dict[str, int] = field(default_factory=dict)

    def count(self, now_ms: int, member: str, counted_ms: int, claims: Sequence[Claim]) -> Counts:
        """Count the contacts of one call, each under all its limits or under none.

        `counted_ms` is when the member has counted last, as far as it knows. If the store does not have that,
        it has lost contacts, and counts nothing.
        """
        before = self.counted_ms.get(member, 0)
        if before < counted_ms:
            return Counts(now_ms, None)
        self.counted_ms[member] = max(before, now_ms)
        counts = [
            None if one.contact is None else self._count(now_ms, member, one, one.contact) for one in claims
        ]
        return Counts(now_ms, counts)

    def look(self, now_ms: int, contacts: Sequence[Contact]) -> list[ContactCount]:
        """Return what `count` would say of each contact now."""
        return [self._room(now_ms, one) for one in contacts]

    def withdraw(self, now_ms: int, member: str, settlements: Sequence[Settlement]) -> None:
        """Withdraw contacts of calls that have certainly not reached Connect."""
        for one in settlements:
            if one.withdrawn is not None:
                for limit in _all_limits(one.withdrawn):
                    self._withdraw(now_ms, limit, member, one.number, one.withdrawn)

    def restore(
        self, now_ms: int, member: str, counted_ms: int, covered_ms: int, kept: Sequence[KeptContact]
    ) -> None:
        """Write contacts again which the store may have lost; note if it has lost more than those."""
        before = self.counted_ms.get(member, 0)
        if before < counted_ms and before < now_ms - covered_ms:
            self.lost_at_ms = now_ms
        self.counted_ms[member] = max(before, counted_ms)
        for contact, number, in_doubt, age_ms in kept:
            at_ms = now_ms - age_ms
            for limit in _all_limits(contact):
                numbered = self._at(now_ms, limit, contact.number)
                if not numbered.is_ours or at_ms + limit.period_ms <= now_ms:
                    continue
                if _found(numbered.contacts, contact.call) is None:
                    numbered.contacts = _within(numbered.contacts, limit, now_ms)
                    _insert(numbered.contacts, Counted(at_ms, contact.call, member, number, in_doubt))
                    self._keep_for_period(limit, contact.number, numbered)

    def lose(self, now_ms: int) -> None:
        """Note that the store has lost contacts now."""
        self.lost_at_ms = now_ms

    def _count(self, now_ms: int, member: str, claim: Claim, contact: Contact) -> ContactCount:
        room = self._room(now_ms, contact)
        if room.full is None:
            for limit in _all_limits(contact):
                self._add(now_ms, limit, member, claim, contact)
        return room

    def _room(self, now_ms: int, contact: Contact) -> ContactCount:
        """Return whether all limits have room, and which observed ones have none."""
        refusals = [self._refusal(now_ms, limit, contact) for limit in contact.limits]
        longest = max(refusals, key=lambda one: one.wait_s, default=None)
        if longest is not None and longest.wait_s > 0.0:
            return longest
        over = [limit for limit in contact.observed if self._wait_ms(now_ms, limit, contact) > 0]
        return ContactCount(over=tuple(over))

    def _refusal(self, now_ms: int, limit: ContactLimit, contact: Contact) -> ContactCount:
        wait_ms = self._wait_ms(now_ms, limit, contact)
        lost_ms = self.lost_at_ms + limit.period_ms - now_ms if self.lost_at_ms else 0
        if lost_ms > wait_ms:
            return ContactCount(limit, lost_ms / 1000, lost=True)
        return ContactCount(limit, wait_ms / 1000)

    def _wait_ms(self, now_ms: int, limit: ContactLimit, contact: Contact) -> int:
        """Return for how long a limit has no room for a contact, 0 if it has."""
        numbered = self._at(now_ms, limit, contact.number)
        if not numbered.is_ours:
            return limit.period_ms
        rest = [one for one in _within(numbered.contacts, limit, now_ms) if one.call != contact.call]
        return 0 if len(rest) < limit.calls else rest[-limit.calls].at_ms + limit.period_ms - now_ms

    def _add(self, now_ms: int, limit: ContactLimit, member: str, claim: Claim, contact: Contact) -> None:
        numbered = self._at(now_ms, limit, contact.number)
        if not numbered.is_ours:
            return
        contacts = _within(numbered.contacts, limit, now_ms)
        known = _found(contacts, contact.call)
        if known is not None:
            contacts.remove(known)
        in_doubt = known is not None and (known.in_doubt or claim.in_doubt or known.member != member)
        _insert(contacts, Counted(now_ms, contact.call, member, claim.number, in_doubt))
        numbered.contacts = contacts
        self._keep_for_period(limit, contact.number, numbered)

    def _withdraw(self, now_ms: int, limit: ContactLimit, member: str, number: int, contact: Contact) -> None:
        numbered = self._at(now_ms, limit, contact.number)
        found = _found(numbered.contacts, contact.call)
        if not numbered.is_ours or found is None or found.in_doubt:
            return
        if (found.member, found.number) == (member, number):
            numbered.contacts.remove(found)
            self._keep(limit, contact.number, numbered, numbered.ends_ms)

    def _at(self, now_ms: int, limit: ContactLimit, number: bytes) -> Numbered:
        numbered = self.numbers.get((limit.name, number))
        return numbered if numbered is not None and numbered.ends_ms >= now_ms else Numbered()

    def _keep_for_period(self, limit: ContactLimit, number: bytes, numbered: Numbered) -> None:
        self._keep(limit, number, numbered, numbered.contacts[-1].at_ms + limit.period_ms)

    def _keep(self, limit: ContactLimit, number: bytes, numbered: Numbered, ends_ms: int) -> None:
        numbered.ends_ms = ends_ms
        if numbered.contacts:
            self.numbers[limit.name, number] = numbered
        else:
            self.numbers.pop((limit.name, number), None)


def _all_limits(contact: Contact) -> tuple[ContactLimit, ...]:
    return (*contact.limits, *contact.observed)


def _insert(contacts: list[Counted], one: Counted) -> None:
    insort(contacts, one, key=lambda counted: counted.at_ms)


def _found(contacts: Sequence[Counted], call: bytes) -> Counted | None:
    return next((one for one in contacts if one.call == call), None)


def _within(contacts: Sequence[Counted], limit: ContactLimit, now_ms: int) -> list[Counted]:
    return [one for one in contacts if one.at_ms + limit.period_ms > now_ms]
