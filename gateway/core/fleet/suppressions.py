"""The live suppressions of the fleet as one replica knows them: numbers that must not be called any more.

A number is known by its keyed hash only. The store keeps the suppressions, and the ends of the last ones, in
the order of their versions. A replica reads them from the beginning, in pages, and then what is newer than
its cursor. A suppression is in force here from the moment that this replica knows of it, whether the store
has it or not.

If the store may have lost data, or does not keep the ends any more that a replica has not read, the replica
reads everything again. What it knows and the store lacks is offered to the store in the first case, and has
ended in the second.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from gateway.core.hash_table import PARTS, HashTable

OFFERED, PAGE = 200, 1_000
"""Suppressions that one request offers to the store, and suppressions and ends in one reply, at most: the
store is not kept busy for longer than a millisecond or two."""
SWEPT = 2_000
"""Suppressions that are looked at in a step, at least, after everything was read again: some milliseconds."""


class TooManySuppressions(Exception):  # noqa: N818 - says what is wrong
    """As many numbers are suppressed as can be."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppressed number, or with `ended` the end of that, as the shared state records it.

    `at_ms` is the store's wall clock, 0 if it is not known. Versions grow; each is at least the store's time.
    The version is 0 if the store has not recorded it. `key` is that of the hash, which the store compares
    with its own before it records an operator's action; empty if it need not.
    """

    number_hash: bytes
    actor: str
    reason: str
    at_ms: int = 0
    version: int = 0
    ended: bool = False
    key: bytes = field(default=b"", repr=False)


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

    `complete`: it has read everything since the start, or since the store may have lost data. A suppression
    that it knew before, and that the store does not have, is offered to the store again or has ended. That is
    decided in steps of at least `swept` suppressions.
    """

    def __init__(self, swept: int = SWEPT) -> None:
        self.complete = False
        self._swept = swept
        self._cursor = 0
        self._told = 0
        self._epoch: str | None = None
        self._known = HashTable()
        self._unrecorded = HashTable()
        self._offering: dict[bytes, str] = {}
        self._ahead: dict[bytes, int] = {}
        self._found: HashTable | None = None  # the suppressions read from the store since the reading began
        self._part: int | None = None  # the next part to search for suppressions that the store has lost
        self._lost = False
        self._is_asked = False
        self._asking: Counter[bytes] = Counter()  # new suppressions that the store is asked to record

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, number_hash: bytes) -> bool:
        return number_hash in self._known

    @property
    def seen(self) -> int:
        """The version up to which everything is carried out; 0 while that is not known."""
        is_carried_out = self.complete and (self._lost or self._part is None)
        return self._cursor if is_carried_out else 0

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
        """Whether the store lacks suppressions that are in force here, or may lack some."""
        return len(self._unrecorded) > self._asked_of(self._unrecorded) or self._part is not None

    @property
    def settled(self) -> int:
        """How many suppressions are in force here that no command under way may take back."""
        return len(self._known) - self._asked_of(self._known)

    def _asked_of(self, table: HashTable) -> int:
        return sum(one in table for one in self._asking)

    @property
    def certain(self) -> bool:
        """Whether the store has no suppression, as far as it has told, that is not in force here."""
        return not self.behind and self._part is None

    def get(self, number_hash: bytes) -> Suppression | None:
        """Return the suppression of a number, None if it is not in force here.

        Its version is 0 as long as the store may lack it.
        """
        text = self._known.get(number_hash)
        if text is None:
            return None
        found = _unpacked(number_hash, text)
        return replace(found, version=0) if number_hash in self._unrecorded else found

    def note_newest(self, epoch: str, version: int) -> bool:
        """Note the epoch and the newest version of the store, as a beat has returned them.

        Return whether the store may have lost data since the last one.
        """
        is_other = self._epoch is not None and epoch != self._epoch
        if is_other:
            self._read_again(lost=True)
        self._epoch = epoch
        self._told = version
        return is_other

    def offered(self) -> tuple[Suppression, ...]:
        """Return suppressions for the next request that the store lacks, none before it was read once.

        Those that the store is asked to record by a command are not among them. One request at a time is
        made, each with its own call of this.
        """
        self._is_asked = True
        offering = self._unrecorded.some(OFFERED) if self.complete else {}
        self._offering = {one: text for one, text in offering.items() if one not in self._asking}
        return tuple(_unpacked(number_hash, text) for number_hash, text in self._offering.items())

    def read(self, reply: SuppressionsReply, offers: Sequence[Suppression] = ()) -> SuppressionChanges:
        """Take the reply to the last request, which had `offers`; return what to carry out.

        A reply to a request from before the store may have lost data is ignored.
        """
        if not self._is_asked:
            return SuppressionChanges()
        self._is_asked = False
        lost = reply.version < self._cursor
        if lost or (self.complete and 0 < self._cursor < reply.trimmed):
            self._read_again(lost=lost)
            return SuppressionChanges()
        self._told = reply.version
        for offer in offers:  # the store has recorded each, or had another of the same number
            self._take_back(offer.number_hash)
        added, ended = self._apply(reply.page)
        if reply.page:
            self._cursor = reply.page[-1].version
        if reply.complete:
            self._cursor = reply.version
            self._finish_reading()
        if self._part is not None:
            ended += self._sweep()
        self._ahead = {one: version for one, version in self._ahead.items() if version > self._cursor}
        return SuppressionChanges(tuple(added), tuple(ended))

    @contextmanager
    def asking(self, number_hash: bytes) -> Iterator[None]:
        """Note that the store is asked to record a suppression, until it has answered.

        One that was in force before, and not for another such command, stays whatever the answer is.
        """
        if number_hash in self._known and number_hash not in self._asking:
            yield
            return
        self._asking[number_hash] += 1
        try:
            yield
        finally:
            self._asking[number_hash] -= 1
            self._asking += Counter()  # drops what nobody asks for

    def suppress_here(self, suppression: Suppression) -> SuppressionChanges:
        """Suppress a number in this replica, and offer that to the store until it is recorded."""
        if suppression.number_hash in self._known:
            return SuppressionChanges()
        self._known.put(suppression.number_hash, text := _packed(suppression))
        self._unrecorded.put(suppression.number_hash, text)
        return SuppressionChanges(added=(suppression,))

    def withdraw(self, suppression: Suppression) -> SuppressionChanges:
        """Take back a suppression of this replica that the store does not take."""
        if self._unrecorded.pop(suppression.number_hash) is None:
            return SuppressionChanges()
        return self._end(suppression.number_hash)

    def recorded(self, action: Suppression) -> SuppressionChanges:
        """Take an action of this replica that the store has recorded; pages older than it do not undo it."""
        text = self._known.get(action.number_hash)
        known_version = 0 if text is None else _unpacked(action.number_hash, text).version
        if action.version < max(self._ahead.get(action.number_hash, 0), known_version):
            return SuppressionChanges()  # a later action about the same number was read before
        self._ahead[action.number_hash] = action.version
        self._unrecorded.pop(action.number_hash)
        if action.ended:
            return self._end(action.number_hash)
        if not self.complete:  # the store may lose it before it is read
            self._unrecorded.put(action.number_hash, _packed(action))
        self._find(action.number_hash)
        self._known.put(action.number_hash, _packed(action))
        return SuppressionChanges() if text is not None else SuppressionChanges(added=(action,))

    # --- how ----------------------------------------------------------------------------------------

    def _take_back(self, number_hash: bytes) -> None:
        """Offer a suppression no more, unless it is another one than in the last request."""
        text = self._unrecorded.get(number_hash)
        if text is not None and text is self._offering.get(number_hash):
            self._unrecorded.pop(number_hash)
            self._find(number_hash)

    def _apply(self, page: Sequence[Suppression]) -> tuple[list[Suppression], list[bytes]]:
        added: list[Suppression] = []
        ended: list[bytes] = []
        for one in page:
            if not one.ended:
                self._find(one.number_hash)
            if one.version < self._ahead.get(one.number_hash, 0):
                continue
            if not one.ended:
                if one.number_hash not in self._known:
                    added.append(one)
                self._known.put(one.number_hash, _packed(one))
            elif self._is_older(self._unrecorded.get(one.number_hash), one):
                self._unrecorded.pop(one.number_hash)
                ended += self._end(one.number_hash).ended
        return added, ended

    @staticmethod
    def _is_older(offer: str | None, end: Suppression) -> bool:
        """Whether an end is about all that is known here: a suppression without a version may be newer."""
        return offer is None or 0 < _unpacked(end.number_hash, offer).version < end.version

    def _end(self, number_hash: bytes) -> SuppressionChanges:
        if self._known.pop(number_hash) is None:
            return SuppressionChanges()
        return SuppressionChanges(ended=(number_hash,))

    def _read_again(self, *, lost: bool) -> None:
        self.complete = False
        self._is_asked = False
        if lost:
            self._lost = True
            self._ahead.clear()
        self._cursor, self._found, self._part = 0, HashTable(), None

    def _find(self, number_hash: bytes) -> None:
        """Note that the store has a suppression, if it is read again."""
        if self._found is not None:
            self._found.put(number_hash, "")

    def _finish_reading(self) -> None:
        """Note that everything was read; if it was read again, look for what was not found from now on."""
        if self.complete:
            return
        self.complete = True
        self._part = None if self._found is None else 0
        if self._found is None:
            self._lost = False

    def _sweep(self) -> list[bytes]:
        """Look for suppressions that were not found: offer what the store has lost, or end what it has ended.

        Return the hashes of those that have ended.
        """
        ended: list[bytes] = []
        looked = 0
        while self._found is not None and self._part is not None and looked < self._swept:
            part = self._known.part(self._part)
            left = [one for one in part if one not in self._found and one not in self._unrecorded]
            for number_hash in left:
                if self._lost:
                    self._unrecorded.put(number_hash, self._known.get(number_hash) or "")
                else:
                    ended += self._end(number_hash).ended
            looked += len(part)
            self._found.clear_part(self._part)
            self._part += 1
            if self._part == PARTS:
                self._found = self._part = None
                self._lost = False
        return ended


def _packed(suppression: Suppression) -> str:
    """Return a suppression as a text, since Python's garbage collector does not visit texts."""
    return json.dumps([suppression.version, suppression.at_ms, suppression.actor, suppression.reason])


def _unpacked(number_hash: bytes, text: str) -> Suppression:
    version, at_ms, actor, reason = json.loads(text)
    return Suppression(number_hash, actor, reason, at_ms, version)
