"""Keyed hashes of phone numbers, for everything that is kept long, shared or logged.

The key keeps a reader of a store, a log or a memory image from finding numbers by hashing all numbers.
"""

from hashlib import blake2s

HASH_BYTES = 8
_LONGEST_KEY = 32
_PERSON = b"number"


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
        short = key if len(key) <= _LONGEST_KEY else blake2s(key).digest()
        self._keyed = blake2s(key=short, digest_size=HASH_BYTES, person=_PERSON)

    def of(self, number: str) -> bytes:
        """Return the hash of a number in the form E.164, with its "+"."""
        hashing = self._keyed.copy()
        hashing.update(number.encode())
        return hashing.digest()
