"""Reads YAML files strictly: no duplicate or unknown keys, no aliases, a limit of their size.

Whatever is wrong is named with its path, such as `callers[2].dial[0]`.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

MAX_BYTES = 1_048_576
WHOLE = "the whole"
"""The path of the whole document."""


Value = TypeVar("Value")


class DocumentError(ValueError):
    """A document breaks a rule. The text names the path and the rule."""


def document_of(text: bytes | str, max_bytes: int = MAX_BYTES) -> object:
    """Return the document in a text. Raises `DocumentError`."""
    if len(text) > max_bytes:
        raise DocumentError(f"{WHOLE}: at most {max_bytes:,} bytes")
    from gateway.access import yaml_document  # with the first file: many gateways have none

    try:
        return yaml_document.parsed(text)
    except yaml_document.YamlError as error:
        raise DocumentError(str(error)) from error


def list_at(path: str, value: object, *, empty: bool = False) -> list[Any]:
    """Return a list. Raises `DocumentError` for anything else."""
    if not isinstance(value, list) or not (value or empty):
        raise DocumentError(f"{path}: must be a list{'' if empty else ' that is not empty'}")
    return value


def table_at(path: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    """Return a mapping with known keys only. Raises `DocumentError` for anything else."""
    if not isinstance(value, dict):
        raise DocumentError(f"{path}: must be a mapping with the keys {', '.join(known)}")
    for key in value:
        if key not in known:
            raise DocumentError(
                f"{_below(path, key)}: unknown key; known are {', '.join(known)}{_near(key, known)}"
            )
    return value


def whole_at(path: str, value: object, maximum: int) -> int:
    """Return a whole number from 1 to `maximum`. Raises `DocumentError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
        raise DocumentError(f"{path}: must be a whole number from 1 to {maximum:,}")
    return value


def choice_at(path: str, value: object, choices: Sequence[str]) -> str:
    """Return one of some texts. Raises `DocumentError` for anything else."""
    if not isinstance(value, str) or value not in choices:
        raise DocumentError(f"{path}: must be one of {', '.join(choices)}")
    return value


def compiled_at(path: str, listed: object, compiled: Callable[[str], Value]) -> tuple[Value, ...]:
    """Return each text in a list, converted by `compiled`, which raises `ValueError` for a wrong text.

    Raises `DocumentError` with the path of that text.
    """
    found = []
    for number, text in enumerate(list_at(path, listed)):
        if not isinstance(text, str):
            raise DocumentError(f"{path}[{number}]: must be a text; put it in quotes")
        try:
            found.append(compiled(text))
        except ValueError as error:
            raise DocumentError(f"{path}[{number}]: {error}") from error
    return tuple(found)


def _below(path: str, key: object) -> str:
    name = key if isinstance(key, str) and key.isprintable() else repr(key)
    return name if path == WHOLE else f"{path}.{name}"


def _near(key: object, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
