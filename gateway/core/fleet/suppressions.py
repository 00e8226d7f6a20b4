"""The live suppressions of the fleet as one replica knows them: numbers that must not be called any more.

A number is known by its keyed hash only. The store keeps the suppressions, and the ends of the last ones, in
the order of their versions. A replica reads them from the beginning, in pages, and then what is newer than
its cursor. A suppression is in force here from the moment that this replica knows of it, whether the store
has it or not.

If the store may have lost data, or does not keep the ends any more that a replica has not read, the replica
reads everything again. What it knows and the store lacks is offered to the store in the first case, and has
ended in the second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

OFFERED, PAGE = 200, 1_000
"""Suppressions that one request offers to the store, and suppressions and ends in one reply, at most: the
store is not kept busy for longer than a millisecond or two."""


class TooManySuppressions(Exception):  # noqa: N818 - says what is wrong
    """As many numbers are suppressed as can be."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppressed number, or with `ended` the end of that, as the shared state records it.

    `at_ms` is the store's wall clock, 0 if it is not known. Versions grow; each is at least the store's time.
    The version is 0 if the store has not recorded it.
    """

    number_hash: bytes
    actor: str
    reason: str
    at_ms: int = 0
    version: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class SuppressionsRequest:
    """What a replica tells and asks about suppressions.

    `seen` is the version up to which it has carried out everything, 0 while it reads from the beginning;
    `after` the cursor from which it wants to read. `key` is its key of hashes, empty if it proposes none, and
    `knows` says that it knows suppressions under that key. `offers` are suppressions in force here that the
    store lacks: new ones (version 0), and those that it has lost. `asks`: it wants to know what the other
    members have seen.
    """

    member: str
    seen: int
    after: int
    key: bytes
    knows: bool = False
    offers: tuple[Suppression, ...] = ()
    asks: bool = False


@dataclass(frozen=True, slots=True)
class SuppressionsReply:
    """A page of suppressions and ends, the oldest first, and the newest `version` of the store.

    `complete`: the page has everything that is newer than the cursor. `trimmed` is the version of the newest
    end that is not kept any more. `key` is the key of hashes of the fleet, empty if it has none yet. `seen`
    has the version that each member has carried out, if that was asked.
    """

    version: int
    now_ms: int
    key: bytes
    trimmed: int = 0
    page: tuple[Suppression, ...] = ()
    complete: bool = True
    seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SuppressionChanges:
    """What a replica has to carry out: new suppressions, and hashes whose suppression has ended."""

    added: tuple[Suppression, ...] = ()
    ended: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything has changed."""
        return bool(self.added or self.ended)


class FleetSuppressions:
    """The suppressions in force in this replica, and how far it has read the store's.

    `complete`: it has read everything since the start, or since the store may have lost data.
    """

    def __init__(self) -> None:
        self.complete = False
        self._cursor = 0
        self._told = 0
        self._epoch: str | None = None
        self._known: dict[bytes, Suppression] = {}
        self._unrecorded: dict[bytes, Suppression] = {}
        self._ahead: dict[bytes, int] = {}
        self._missing: set[bytes] | None = set()
        self._lost = False
        self._is_asked = False

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, number_hash: bytes) -> bool:
        return number_hash in self._known

    @property
    def seen(self) -> int:
        """The version up to which everything is carried out; 0 while everything is read again."""
        return self._cursor if self.complete else 0

    @property
    def after(self) -> int:
        """The version from which to read on."""
        return self._cursor

    @property
    def behind(self) -> bool:
        """Whether the store has, or may have, what this replica has not read."""
        return not self.complete or self._told != self._cursor  # an older version: data are lost

    @property
    def has_offers(self) -> bool:
        """Whether the store lacks suppressions that are in force here."""
        return bool(self._unrecorded)

    def told(self, epoch: str, version: int) -> None:
        """Note the epoch and the newest version of the store, as a beat has returned them."""
        if self._epoch is not None and epoch != self._epoch:
            self._read_again(lost=True)
        self._epoch = epoch
        self._told = version

    def offered(self) -> tuple[Suppression, ...]:
        """Return suppressions for the next request that the store lacks, none before it was read once.

        One request at a time is made, each with its own call of this.
        """
        self._is_asked = True
        return tuple(islice(self._unrecorded.values(), OFFERED)) if self.complete else ()

    def read(self, reply: SuppressionsReply, offers: Sequence[Suppression] = ()) -> SuppressionChanges:
        """Take the reply to the last request, which had `offers`; return what to carry out.

        A reply to a request from before the store may have lost data is ignored.
        """
        if not self._is_asked:
            return SuppressionChanges()
        self._is_asked = False
        lost = reply.version < self._cursor
        if lost or (self._missing is None and 0 < self._cursor < reply.trimmed):
            self._read_again(lost=lost)
            return SuppressionChanges()
        self._told = reply.version
        for offer in offers:  # the store has recorded each, or had another of the same number
            if self._unrecorded.get(offer.number_hash) is offer:
                del self._unrecorded[offer.number_hash]
        added, ended = self._apply(reply.page)
        if reply.page:
            self._cursor = reply.page[-1].version
        if reply.complete:
            self._cursor = reply.version
            ended += self._finish_reading()
        self._ahead = {one: version for one, version in self._ahead.items() if version > self._cursor}
        return SuppressionChanges(tuple(added), tuple(ended))

    def suppress_here(self, suppression: Suppression) -> SuppressionChanges:
        """Suppress a number in this replica, and offer that to the store until it is recorded."""
        if suppression.number_hash in self._known:
            return SuppressionChanges()
        self._known[suppression.number_hash] = self._unrecorded[suppression.number_hash] = suppression
        return SuppressionChanges(added=(suppression,))

    def withdraw(self, suppression: Suppression) -> SuppressionChanges:
        """Take back a suppression of this replica that the store does not take."""
        if self._unrecorded.pop(suppression.number_hash, None) is None:
            return SuppressionChanges()
        return self._end(suppression.number_hash)

    def recorded(self, action: Suppression) -> SuppressionChanges:
        """Take an action of this replica that the store has recorded; pages older than it do not undo it."""
        known_one = self._known.get(action.number_hash)
        newest = max(
            self._ahead.get(action.number_hash, 0), known_one.version if known_one is not None else 0
        )
        if action.version < newest:  # a later action of the same number was told of before
            return SuppressionChanges()
        self._ahead[action.number_hash] = action.version
        self._unrecorded.pop(action.number_hash, None)
        if not action.ended and not self.complete:
            self._unrecorded[action.number_hash] = action  # the store may lose it before it is read
        if action.ended:
            return self._end(action.number_hash)
        known = action.number_hash in self._known
        self._known[action.number_hash] = action
        return SuppressionChanges() if known else SuppressionChanges(added=(action,))

    # --- how ----------------------------------------------------------------------------------------

    def _apply(self, page: Sequence[Suppression]) -> tuple[list[Suppression], list[bytes]]:
        added: list[Suppression] = []
        ended: list[bytes] = []
        for one in page:
            if self._missing is not None and not one.ended:
                self._missing.discard(one.number_hash)
            if one.version < self._ahead.get(one.number_hash, 0):
                continue
            if not one.ended:
                if one.number_hash not in self._known:
                    added.append(one)
                self._known[one.number_hash] = one
            elif self._is_older(self._unrecorded.get(one.number_hash), one):
                self._unrecorded.pop(one.number_hash, None)
                ended += self._end(one.number_hash).ended
        return added, ended

    @staticmethod
    def _is_older(offer: Suppression | None, end: Suppression) -> bool:
        """Whether an end is about all that is known here: a suppression without a version may be newer."""
        return offer is None or 0 < offer.version < end.version

    def _end(self, number_hash: bytes) -> SuppressionChanges:
        if self._known.pop(number_hash, None) is None:
            return SuppressionChanges()
        return SuppressionChanges(ended=(number_hash,))

    def _read_again(self, *, lost: bool) -> None:
        self.complete = False
        self._is_asked = False
        if lost:
            self._lost = True
            self._ahead.clear()
        self._cursor, self._missing = 0, set(self._known)

    def _finish_reading(self) -> list[bytes]:
        """Everything was read from the beginning: offer what the store has lost, or end what it has ended."""
        missing, self._missing = self._missing, None
        lost, self._lost = self._lost, False
        self.complete = True
        left = [one for one in missing or () if one in self._known and one not in self._unrecorded]
        if lost:
            self._unrecorded |= {number_hash: self._known[number_hash] for number_hash in left}
            return []
        return [number_hash for one in left for number_hash in self._end(one).ended]
