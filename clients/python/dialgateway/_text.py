"""Checks texts before protobuf sees them: it would raise later, with the value in its message."""


def text_bytes(name: str, value: object) -> int:
    """Return the UTF-8 length of a text. The errors, TypeError and ValueError, do not contain the value."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}")
    if value.isascii():
        return len(value)
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        # Not chained: the original error contains the value.
        raise ValueError(f"{name} is not valid Unicode text") from None
