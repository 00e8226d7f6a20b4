"""The secret key of the hashes of numbers, read from a file."""

from gateway.compliance.errors import GuardFileError
from gateway.runtime.key_file import KeyFileError, read_key_file

SETTING = "DIAL_GATEWAY_GUARD_KEY_FILE"


def read_key(path: str) -> bytes:
    """Return the key in a file. Raises `GuardFileError`."""
    try:
        return read_key_file(SETTING, path)
    except KeyFileError as error:
        raise GuardFileError(str(error)) from error
