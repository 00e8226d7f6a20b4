"""The secret key of the hashes of numbers, read from a file."""

from pathlib import Path

from gateway.compliance.errors import GuardFileError

SETTING = "DIAL_GATEWAY_GUARD_KEY_FILE"
SHORTEST_KEY, LONGEST_KEY = 16, 1024
"""Bytes of a key."""


def read_key(path: str) -> bytes:
    """Return the key in a file, without spaces and line ends around it. Raises `GuardFileError`."""
    try:
        key = Path(path).read_bytes().strip()
    except OSError as error:
        raise GuardFileError(f"{SETTING}: cannot read {path}: {error.strerror}") from error
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise GuardFileError(f"{SETTING}: {path} must hold {SHORTEST_KEY} to {LONGEST_KEY} bytes")
    return key
