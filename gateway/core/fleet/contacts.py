"""Contacts: dial requests that count as calls to their numbers under contact limits.

All campaigns whose rules name a limit share it, on all replicas. The shared state counts; these are the
messages about it. A contact counts from the moment at which its request is placed in a call, and no longer
once it is certain that no call has carried the request to Amazon Connect.
"""

from typing import NamedTuple


class ContactLimit(NamedTuple):
    """At most `calls` calls to a number within `period_s` seconds, a sliding window."""

    name: str
    calls: int
    period_s: float

    @property
    def period_ms(self) -> int:
        """The period in milliseconds."""
        return round(self.period_s * 1000)

    def in_words(self) -> str:
        """Return the limit as people read it."""
        return f"{self.name}: at most {self.calls:,} calls in {self.period_s:,.0f} s"


class Contact(NamedTuple):
    """A dial request as a call to its number.

    `number` is a keyed hash of the phone number, `call` a hash of campaign and client token: however often
    the request is sent, it counts once. Without room under all of `limits` it counts under none. Under the
    limits in `observed` it counts in any case; they only report that they have no room.
    """

    number: bytes
    call: bytes
    limits: tuple[ContactLimit, ...]
    observed: tuple[ContactLimit, ...] = ()


class ContactCount(NamedTuple):
    """What the shared state says about one contact: it counts now, unless `full` names a limit without room.

    `wait_s` is how long it takes until all limits have room, if nothing else is counted meanwhile.
    `lost`: the shared state has lost contacts, so that the limit counts as full for its period. `over` are
    the observed limits without room.
    """

    full: ContactLimit | None = None
    wait_s: float = 0.0
    lost: bool = False
    over: tuple[ContactLimit, ...] = ()


class Counts(NamedTuple):
    """What the shared state says about the contacts of one call: one for each claim, None without a contact.

    `at_ms` is its clock. `contacts` is None if it has lost contacts that this replica had counted: then
    nothing is counted until the replica has written them again.
    """

    at_ms: int
    contacts: list[ContactCount | None] | None


class KeptContact(NamedTuple):
    """A contact that a replica has counted `age_ms` ago, for the call `number`, to be written again.

    `in_doubt`: an earlier call may have carried its request.
    """

    contact: Contact
    number: int
    in_doubt: bool
    age_ms: int
