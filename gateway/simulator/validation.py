"""Checks made from botocore's service model: each shape is compiled once into a function.

A check returns the parsed value (a timestamp as Unix seconds, a structure with its known members only) or
raises `Violation`. The messages follow those of AWS and name the member and the constraint, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

Check = Callable[[object], Any]

# `.*` in DOTALL admits every text: not worth a match per attribute.
_ANYTHING = ".*"

_EQUIVALENT = {
    # The path of an ARN: the model's pattern needs exponential time for a text with many slashes.
    r"arn:[a-zA-Z0-9-]+:[a-zA-Z0-9-]+:[a-z]{2}-[a-z]+-\d{1,2}:[a-zA-Z0-9-]+"
    r":[^:]+(?:/[^:]+)*(?:/[^:]+)?(?:\:[^:]+)?": (
        r"arn:[a-zA-Z0-9-]+:[a-zA-Z0-9-]+:[a-z]{2}-[a-z]+-\d{1,2}:[a-zA-Z0-9-]+:[^:]+(?::[^:]+)?"
    ),
}
"""Patterns by those of the model that match the same texts and that `re` would match too slowly."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Violation(Exception):  # noqa: N818 - it is what AWS's message calls a constraint, not an error of ours
    """A value breaks a constraint of the service model.

    Attributes:
        constraint: what the member must do, as AWS words it.

    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint
        self._path: list[str] = []

    def under(self, name: str) -> None:
        """Note that the value sits in the member `name` of something larger."""
        self._path.insert(0, name)

    def __str__(self) -> str:
        where = ".".join(self._path)
        return (
            f"1 validation error detected: Value at '{where}' failed to satisfy constraint: "
            f"Member must {self.constraint}"
        )


def compile_check(shape: Shape) -> Check:
    """Return the check for a shape of the service model.

    Raises:
        NotImplementedError: no operation of the simulator needs a shape of this type.

    """
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return _list(shape)
    if isinstance(shape, MapShape):
        return _map(shape)
    if isinstance(shape, StringShape):
        return _string(shape)
    if shape.type_name == "timestamp":
        return _timestamp
    if shape.type_name == "boolean":
        return _boolean
    if shape.type_name in ("double", "float", "integer", "long"):
        return _number(shape)
    raise NotImplementedError(f"shape {shape.name} is a {shape.type_name}")


def _structure(shape: StructureShape) -> Check:
    required = frozenset(shape.required_members)
    members = [(name, name in required, compile_check(member)) for name, member in shape.members.items()]
    is_union = bool(shape.metadata.get("union"))

    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Violation("be a structure")
        parsed = {}
        # Members that the model does not know are passed over, as restJson1 services do.
        for name, must, check_member in members:
            given = value.get(name)
            if given is None and not must:
                continue
            try:
                parsed[name] = check_member(given)
            except Violation as violation:
                violation.under(name)
                raise
        if is_union and len(parsed) != 1:
            raise Violation("have exactly one of its members")
        return parsed

    return check


def _list(shape: ListShape) -> Check:
    check_member = compile_check(shape.member)
    check_size = _size(shape)

    def check(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise Violation(_not_a("list", value))
        check_size(len(value))
        parsed = []
        for item in value:
            try:
                parsed.append(check_member(item))
            except Violation as violation:
                violation.under(f"{len(parsed) + 1}.member")
                raise
        return parsed

    return check


def _map(shape: MapShape) -> Check:
    check_key, check_value = compile_check(shape.key), compile_check(shape.value)
    check_size = _size(shape)

    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Violation(_not_a("map", value))
        check_size(len(value))
        try:
            for key in value:
                check_key(key)
        except Violation as violation:
            raise Violation(f"have keys that satisfy: Member must {violation.constraint}") from None
        try:
            return {key: check_value(item) for key, item in value.items()}
        except Violation as violation:
            raise Violation(f"have values that satisfy: Member must {violation.constraint}") from None

    return check


def _string(shape: StringShape) -> Check:
    check_size = _size(shape)
    expression = shape.metadata.get("pattern", _ANYTHING)
    # AWS matches as Java does: \d and \S are about ASCII.
    matches = None if expression == _ANYTHING else _compiled(expression).fullmatch
    allowed = frozenset(shape.enum)

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise Violation(_not_a("string", value))
        check_size(len(value))
        if matches is not None and not matches(value):
            raise Violation(f"satisfy regular expression pattern: {expression}")
        if allowed and value not in allowed:
            raise Violation(f"satisfy enum value set: {sorted(allowed)}")
        return value

    return check


def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(_EQUIVALENT.get(expression, expression), re.ASCII | re.DOTALL)


def _number(shape: Shape) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    is_whole = shape.type_name in ("integer", "long")

    def check(value: object) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
            raise Violation(_not_a("whole number" if is_whole else "number", value))
        if low is not None and value < low:
            raise Violation(f"have value greater than or equal to {low}")
        if high is not None and value > high:
            raise Violation(f"have value less than or equal to {high}")
        return value

    return check


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Violation(_not_a("boolean", value))
    return value


def _timestamp(value: object) -> float:
    if not isinstance(value, str):
        raise Violation(_not_a("ISO 8601 timestamp", value))
    if not _TIMESTAMP.fullmatch(value):
        raise Violation("be an ISO 8601 timestamp in UTC")
    try:
        return datetime.fromisoformat(value).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise Violation("be an ISO 8601 timestamp in UTC") from None


def _size(shape: Shape) -> Callable[[int], None]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", float("inf"))

    def check(size: int) -> None:
        if size < low:
            raise Violation(f"have length greater than or equal to {low}")
        if size > high:
            raise Violation(f"have length less than or equal to {high}")

    return check


def _not_a(kind: str, value: object) -> str:
    return "not be null" if value is None else f"be a {kind}"
