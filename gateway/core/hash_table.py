"""A table of up to millions of keyed hashes, none of whose steps takes long.

A dictionary of a million items takes a tenth of a second when it grows, and the garbage collector visits each
item that is not a simple value. So the table has parts of a few thousand items, and its values are texts.
"""

from collections.abc import Iterator
from itertools import islice

PARTS = 256
"""One for each last byte of a hash."""


class HashTable:
    """A dictionary from hashes to texts."""

    def __init__(self) -> None:
        self._parts: list[dict[bytes, str]] = [{} for _ in range(PARTS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number_hash: bytes) -> bool:
        return number_hash in self._parts[number_hash[-1] if number_hash else 0]

    def items(self) -> Iterator[tuple[bytes, str]]:
        """Yield hashes with their texts. The table must not change meanwhile."""
        return (item for part in self._parts for item in part.items())

    def get(self, number_hash: bytes) -> str | None:
        """Return the text of a hash, None if it is not in the table."""
        return self._parts[number_hash[-1] if number_hash else 0].get(number_hash)

    def put(self, number_hash: bytes, text: str) -> None:
        """Put a hash into the table, or replace its text."""
        part = self._parts[number_hash[-1] if number_hash else 0]
        before = len(part)
        part[number_hash] = text
        self._count += len(part) - before

    def pop(self, number_hash: bytes) -> str | None:
        """Take a hash out; return its text, None if it is not in the table."""
        text = self._parts[number_hash[-1] if number_hash else 0].pop(number_hash, None)
        if text is not None:
            self._count -= 1
        return text

    def some(self, limit: int) -> dict[bytes, str]:
        """Return up to so many items."""
        return dict(islice(self.items(), limit))

    def part(self, number: int) -> list[bytes]:
        """Return the hashes in one of the `PARTS`."""
        return list(self._parts[number])

    def clear_part(self, number: int) -> None:
        """Take out all hashes in one of the `PARTS`."""
        self._count -= len(self._parts[number])
        self._parts[number] = {}
