"""Numbers that must not be called: a compact table for millions, and live additions.

The table keeps eight bytes for a number: the hash that Python itself makes of its text (SipHash with a key
that the process draws at its start). It never leaves the process. The first bits of a hash choose one
of 65,536 sorted arrays.

Live additions are shared by replicas, so they are hashes with the key of the gateway (`number_hash`).
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.core.hash_table import HashTable

_HASH_BITS, _COARSE_BITS, _PART_BITS = 64, 10, 16
_PART_SHIFT, _FIRST_POSITIVE = _HASH_BITS - _PART_BITS, 1 << (_PART_BITS - 1)


class NumberTable:
    """An unchangeable set of numbers in the form E.164, each given as ASCII with its "+".

    Among ten million numbers, another number is found by mistake with a probability of 1 in 10^12.
    """

    def __init__(self, numbers: Iterable[bytes] = ()) -> None:
        self._parts: list[array[int]] = []
        end = -(1 << (_HASH_BITS - 1))
        for coarse in _coarse_parts(numbers):
            ordered, begin = sorted(coarse), 0
            for _ in range(1 << (_PART_BITS - _COARSE_BITS)):
                end += 1 << _PART_SHIFT
                stop = bisect_left(ordered, end, begin)
                part = array("q")
                part.fromlist(ordered[begin:stop])
                self._parts.append(part)
                begin = stop

    def __contains__(self, number: bytes) -> bool:
        one = hash(number)
        part = self._parts[(one >> _PART_SHIFT) + _FIRST_POSITIVE]
        at = bisect_left(part, one)
        return at < len(part) and part[at] == one

    def __len__(self) -> int:
        return sum(map(len, self._parts))


def _coarse_parts(numbers: Iterable[bytes]) -> Iterator["array[int]"]:
    """Yield the hashes of numbers in parts by their first bits, in order; each is freed after its turn.

    They are few, so that their ends stay in the processor's cache while millions of hashes are added.
    """
    parts = [array("q") for _ in range(1 << _COARSE_BITS)]
    append = [part.append for part in parts]
    shift, first_positive = _HASH_BITS - _COARSE_BITS, 1 << (_COARSE_BITS - 1)
    for one in map(hash, numbers):
        append[(one >> shift) + first_positive](one)
    append.clear()  # they keep the parts
    parts.reverse()
    while parts:
        yield parts.pop()


class LiveSuppression(NamedTuple):
    """When an operator suppressed a number, who, and why.

    `at` is in seconds since the epoch, 0 if it is not known.
    """

    at: float
    actor: str
    reason: str


class LiveSuppressions(HashTable):
    """Numbers that operators have suppressed, at most `limit`, with who suppressed each, when and why.

    They stay when lists are read again: a file that was written before must not allow the number again.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        super().__init__()
        self._most = limit

    def add(self, number_hash: bytes, details: LiveSuppression | None = None) -> bool:
        """Suppress a number from now on; return whether it was not suppressed before.

        `details` is None if they are kept elsewhere, as in a fleet. Raises `OverflowError` if there are too
        many: a suppression must not displace another one.
        """
        if number_hash in self:
            return False
        if len(self) >= self._most:
            raise OverflowError(f"at most {self._most:,} live suppressions; add them to a list's file")
        self.put(number_hash, "" if details is None else json.dumps(details))
        return True

    def remove(self, number_hash: bytes) -> bool:
        """Allow a number again, unless a list has it; return whether it was suppressed live."""
        return self.pop(number_hash) is not None

    def details(self, number_hash: bytes) -> LiveSuppression | None:
        """Return who suppressed a number, when and why; None if nobody has, or this is kept elsewhere."""
        text = self.get(number_hash)
        return LiveSuppression(*json.loads(text)) if text else None


class Suppressions:
    """The lists of the guard file by name, and the live suppressions, which count for every campaign."""

    def __init__(self, live: LiveSuppressions | None = None) -> None:
        self.live = LiveSuppressions() if live is None else live
        self.lists: Mapping[str, NumberTable] = {}

    def publish(self, lists: Mapping[str, NumberTable]) -> None:
        """Use other lists from now on."""
        self.lists = lists

    def tables(self, names: Sequence[str]) -> list[NumberTable] | None:
        """Return the lists of some names; None if one is not there."""
        tables = [self.lists[name] for name in names if name in self.lists]
        return tables if len(tables) == len(names) else None

    def found_in(self, number: str, names: Sequence[str]) -> str | None:
        """Return the name of the list that has a number, None if none of these has it.

        A missing list counts as if it had every number, so that nobody is called because a list is missing.
        """
        return next(self.containing(number, names), None)

    def containing(self, number: str, names: Iterable[str]) -> Iterator[str]:
        """Yield the names of the lists that have a number, as `found_in` does."""
        written = number.encode()
        for name in names:
            table = self.lists.get(name)
            if table is None or written in table:
                yield name
