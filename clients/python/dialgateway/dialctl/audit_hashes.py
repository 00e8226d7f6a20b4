"""The keyed hashes of a gateway's audit trail: of phone numbers, and over its lines.

The gateway computes the same ones (`gateway/compliance/number_hash.py`, `gateway/trail/chain.py`).
"""

from __future__ import annotations

from hashlib import blake2s
from pathlib import Path

from dialgateway.dialctl.errors import UnusableFile

SHORTEST_KEY, LONGEST_KEY = 16, 1024
"""Bytes of a key file, without the white space around its content."""
_NUMBER_BYTES, _CHAIN_BYTES, _KEY_ID_BYTES = 8, 16, 4
_LONGEST_HASH_KEY = 32


class TrailKey:
    """The key of a trail, of any length."""

    def __init__(self, key: bytes) -> None:
        short = key if len(key) <= _LONGEST_HASH_KEY else blake2s(key).digest()
        self._number = blake2s(key=short, digest_size=_NUMBER_BYTES, person=b"number")
        self.chain = blake2s(key=short, digest_size=_CHAIN_BYTES, person=b"trail")
        """The hash of a line begins as a copy of this."""
        self.key_id = blake2s(key=short, digest_size=_KEY_ID_BYTES, person=b"key-id").hexdigest()
        """A name of the key, which does not reveal it."""

    def number_hash(self, number: str) -> str:
        """Return the hash of a number in E.164, or of another address, as the trail has it."""
        hashing = self._number.copy()
        hashing.update(number.encode())
        return hashing.hexdigest()


def read_key(path: Path) -> TrailKey:
    """Read a key file. Raises UnusableFile and OSError."""
    key = path.read_bytes().strip()
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise UnusableFile(
            f"{path}: a key has {SHORTEST_KEY} to {LONGEST_KEY} bytes, and this has {len(key)}"
        )
    return TrailKey(key)
