"""Fingerprints of dial requests: keyed hashes of what is dialed, the same in all replicas of a fleet.

They cover phone number, attributes and channel.

The key keeps a reader of the store or of a log from finding a phone number by hashing all numbers.
"""

from base64 import urlsafe_b64encode
from hashlib import blake2b

from gateway.core.attributes import unpacked
from gateway.core.model import DialRequest

KEY_ID_LENGTH = 4
"""Characters at the beginning of a fingerprint that name its key."""
_DIGEST_BYTES, _KEY_ID_BYTES = 15, 3  # multiples of three: base64 needs no padding
_LONGEST_KEY = 64


class Fingerprints:
    """Makes fingerprints with one secret key of any length."""

    def __init__(self, key: bytes) -> None:
        short = key if len(key) <= _LONGEST_KEY else blake2b(key).digest()
        self._keyed = blake2b(key=short, digest_size=_DIGEST_BYTES)
        key_id = blake2b(key, digest_size=_KEY_ID_BYTES, person=b"key id").digest()
        self._key_id = urlsafe_b64encode(key_id).decode()

    def of(self, request: DialRequest) -> str:
        """Return the fingerprint of a dial request: 24 characters, the first four of which name the key."""
        # The lengths keep parts apart: "ab" and "c" differ from "a" and "bc".
        text = f"{len(request.phone_number)}:{request.phone_number}"
        for key, value in sorted(unpacked(request.attributes).items()):
            text += f"{len(key)}:{key}{len(value)}:{value}"
        if request.channel is not None:  # a mark that no attribute begins with, then its parts
            text += "|" + "".join(f"{len(part)}:{part}" for part in request.channel.parts())
        digest = self._keyed.copy()
        digest.update(text.encode())
        return self._key_id + urlsafe_b64encode(digest.digest()).decode()


def differ(one: str, other: str) -> bool:
    """Whether two fingerprints certainly stand for different dial requests.

    Fingerprints made with different keys cannot be compared, and count as equal.
    """
    return one != other and one[:KEY_ID_LENGTH] == other[:KEY_ID_LENGTH]
