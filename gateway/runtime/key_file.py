"""Reads a secret key from a file."""

from pathlib import Path

SHORTEST_KEY, LONGEST_KEY = 16, 1024
"""Bytes of a key."""


class KeyFileError(Exception):
    """A key cannot be used. The text is one line that names the setting and the file, and never the key."""


def read_key_file(setting: str, path: str) -> bytes:
    """Return the key in the file of a setting, without spaces and line ends around it.

    Raises `KeyFileError`.
    """
    try:
        key = Path(path).read_bytes().strip()
    except OSError as error:
        raise KeyFileError(f"{setting}: cannot read {path}: {error.strerror}") from error
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise KeyFileError(f"{setting}: {path} must contain {SHORTEST_KEY} to {LONGEST_KEY} bytes")
    return key
