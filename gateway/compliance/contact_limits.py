"""Limits on how often a number is called: at most N calls within a period, a sliding window. Pure.

A limit has a name, and all campaigns whose rules name it share it. A call counts from the moment at which it
is placed in a call to Amazon Connect. It stops counting only if it is certain that Connect does not have it.
The same client token counts once, however often it is sent.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import NamedTuple, Protocol


class ContactLimit(NamedTuple):
    """At most `calls` calls to a number within `period_s` seconds."""

    name: str
    calls: int
    period_s: float


class ContactLog(Protocol):
    """Where contacts are kept. One per fleet: all replicas must see the same contacts.

    `number_hash` is a keyed hash; `call` identifies the dial request: campaign and client token, or a hash of
    them.
    """

    def free_at(self, limit: ContactLimit, number_hash: bytes, call: str, now: float) -> float:
        """Return the earliest instant, not before `now`, at which this call keeps to the limit."""

    def record(self, limits: Iterable[ContactLimit], number_hash: bytes, call: str, now: float) -> bool:
        """Count a call under all limits at once, or under none if one of them has no room: return whether."""

    def withdraw(self, limits: Iterable[ContactLimit], number_hash: bytes, call: str) -> None:
        """Count a call no longer: Connect certainly does not have it."""


class ModelContactLog:
    """Contacts in the memory of one process: the model that every other log must agree with.

    It is for tests. It forgets old contacts of a number only when it is asked about that number.
    """

    def __init__(self) -> None:
        self._contacts: dict[tuple[str, bytes], list[tuple[float, str]]] = {}

    def free_at(self, limit: ContactLimit, number_hash: bytes, call: str, now: float) -> float:
        """Return the earliest instant, not before `now`, at which this call keeps to the limit."""
        contacts = self._within(limit, number_hash, now)
        if len(contacts) < limit.calls or any(counted == call for _, counted in contacts):
            return now
        return contacts[-limit.calls][0] + limit.period_s

    def record(self, limits: Iterable[ContactLimit], number_hash: bytes, call: str, now: float) -> bool:
        """Count a call under all limits at once, or under none if one of them has no room: return whether."""
        limits = list(limits)
        if any(self.free_at(limit, number_hash, call, now) > now for limit in limits):
            return False
        for limit in limits:
            contacts = self._within(limit, number_hash, now)
            if all(counted != call for _, counted in contacts):
                insort(self._contacts.setdefault((limit.name, number_hash), []), (now, call))
        return True

    def withdraw(self, limits: Iterable[ContactLimit], number_hash: bytes, call: str) -> None:
        """Count a call no longer: Connect certainly does not have it."""
        for limit in limits:
            kept = [one for one in self._contacts.get((limit.name, number_hash), ()) if one[1] != call]
            self._keep(limit, number_hash, kept)

    def __len__(self) -> int:
        """Return the number of contacts that are kept."""
        return sum(map(len, self._contacts.values()))

    def _within(self, limit: ContactLimit, number_hash: bytes, now: float) -> list[tuple[float, str]]:
        """Return the contacts of the period that ends now, oldest first, and forget older ones.

        A contact counts for exactly one period. `free_at` computes the end of the period in the same way, so
        that a call is never told to wait until an instant at which it must wait again.
        """
        contacts = self._contacts.get((limit.name, number_hash), [])
        past = bisect_right(contacts, now, key=lambda contact: contact[0] + limit.period_s)
        return self._keep(limit, number_hash, contacts[past:]) if past else contacts

    def _keep(
        self, limit: ContactLimit, number_hash: bytes, contacts: list[tuple[float, str]]
    ) -> list[tuple[float, str]]:
        if contacts:
            self._contacts[limit.name, number_hash] = contacts
        else:
            self._contacts.pop((limit.name, number_hash), None)
        return contacts
