"""Keyed hashes of phone numbers, for everything that is kept long, shared or logged.

The key keeps a reader of a store, a log or a memory image from finding numbers by hashing all numbers.
"""

from hashlib import blake2s

HASH_BYTES = 8
_LONGEST_KEY = 32
_PERSON, _LIST = b"number", b"list"
LIST_BYTES = 6
"""Bytes of the digest of a list: a double, which is what metrics have, keeps it exactly."""


class NumberHash:
    """Hashes numbers with one secret key of any length. Replicas with the same key make equal hashes.

    A key that is `fixed` comes from a file. Another one is replaced by that of the fleet (`use`), before
    anything is hashed that others must recognize.
    """

    def __init__(self, key: bytes, *, fixed: bool = False) -> None:
        self.fixed = fixed
        self.use(key)

    def use(self, key: bytes) -> None:
        """Make hashes with another key from now on."""
        self.key = key
        self._short_key = key if len(key) <= _LONGEST_KEY else blake2s(key).digest()
        self._keyed = blake2s(key=self._short_key, digest_size=HASH_BYTES, person=_PERSON)

    def of(self, number: str) -> bytes:
        """Return the hash of a number in the form E.164, with its "+"."""
        hashing = self._keyed.copy()
        hashing.update(number.encode())
        return hashing.digest()

    def of_list(self, count: int, check_sum: int) -> int:
        """Return a number of 48 bits that tells lists of numbers apart, and not what they contain.

        Without the key nobody can find out which list has a digest.
        """
        short = self._short_key
        digest = blake2s(f"{count} {check_sum}".encode(), key=short, digest_size=LIST_BYTES, person=_LIST)
        return int.from_bytes(digest.digest(), "big")
