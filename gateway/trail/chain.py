"""The chain of hashes over the lines of a trail.

The last field of each line is a keyed hash over the line and the hash of the line before it. So whoever has
the key notices a line that was changed, removed, inserted or moved; without the key nobody can hide that.
"""

from hashlib import blake2s

CHAIN_BYTES = 16
KEY_ID_BYTES = 4
_LONGEST_HASH_KEY = 32
_FIELD = b',"chain":"'


class Chain:
    """Adds to each line of one trail its hash. `last` is that of the line before, empty at the beginning."""

    def __init__(self, key: bytes, last: str = "") -> None:
        short = key if len(key) <= _LONGEST_HASH_KEY else blake2s(key).digest()
        self._keyed = blake2s(key=short, digest_size=CHAIN_BYTES, person=b"trail")
        self.key_id = blake2s(key=short, digest_size=KEY_ID_BYTES, person=b"key-id").hexdigest()
        self.last = last

    def line(self, body: bytes) -> bytes:
        """Return a JSON object of at least one field as the next line, with its hash and a line end."""
        hashing = self._keyed.copy()
        hashing.update(self.last.encode() + body)
        self.last = hashing.hexdigest()
        return b'%b%b%b"}\n' % (body[:-1], _FIELD, self.last.encode())
