"""The option `-o`, and values of the client as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dialgateway.dialctl.terminal import write_lines

IN_SECONDS = frozenset({"oldest_wait", "retry_after"})
"""The fields that hold durations: JSON has them in seconds, under their name and `_s`, or null."""

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class OutputFormat(StrEnum):
    """How a command prints what it has found or done."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"


def add_output(command: argparse.ArgumentParser, wide: str, json_: str) -> None:
    """Add the option to a command. The arguments say what `wide` and `json` print."""
    command.add_argument(
        "-o",
        "--output",
        type=str,
        choices=[form.value for form in OutputFormat],
        default=OutputFormat.TEXT.value,
        help=f"text (the default); wide: {wide}; json: {json_}",
    )


def as_json(value: object) -> object:
    """Return a value of the client as JSON has it.

    Values become objects with the names of their fields, durations seconds, instants text in RFC 3339 and
    UTC, mappings objects, and sequences arrays.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return fields_json(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(as_json(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    return value


def fields_json(value: DataclassInstance) -> dict[str, object]:
    """Return the fields of a value by name, as `as_json` does."""
    return {
        f"{field.name}_s" if field.name in IN_SECONDS else field.name: as_json(getattr(value, field.name))
        for field in fields(value)
    }


def print_json(document: Mapping[str, object]) -> None:
    """Print a document as one line. Characters outside of ASCII are escapes, so no terminal obeys them."""
    write_lines(sys.stdout, json.dumps(as_json(document), separators=(",", ":")))
