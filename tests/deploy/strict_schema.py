"""The rules that strict readers of JSON schemas, such as ajv, apply beyond the specification.

A field that is required must be listed under `properties` of the same schema, since its name may be a
misprint. A keyword that is about values of one type needs that type, or it says nothing about other values.
"""

from collections.abc import Iterator
from typing import Any

_ABOUT = {
    "string": {"minLength", "maxLength", "pattern"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
    "object": {
        *("properties", "required", "additionalProperties", "propertyNames", "minProperties"),
        *("maxProperties", "patternProperties"),
    },
}
_SAME = ("not", "if", "then", "else")
_ALL_SAME = ("allOf", "anyOf", "oneOf")


def faults(schema: Any, kind: str = "", path: str = "#") -> Iterator[str]:
    """Yield what a strict reader refuses in a schema.

    `kind` is the type that schemas around this one give to the same value.
    """
    if not isinstance(schema, dict):
        return
    kind = _number(schema.get("type", kind))
    for required in schema.get("required", ()):
        if required not in schema.get("properties", {}):
            yield f"{path}: {required} is required, and not among the properties"
    for about, keywords in _ABOUT.items():
        if about != kind:
            yield from (f"{path}: {keyword} without the type {about}" for keyword in keywords & schema.keys())
    for inner, below, at in _inner(schema, kind):
        yield from faults(inner, below, f"{path}/{at}")


def _number(kind: Any) -> str:
    return "number" if kind == "integer" else str(kind)


def _inner(schema: dict[str, Any], kind: str) -> Iterator[tuple[Any, str, str]]:
    """Yield the schemas within a schema, each with the type of its value that is known, and its path."""
    yield from ((schema[key], kind, key) for key in _SAME if key in schema)
    for key in _ALL_SAME:
        yield from ((one, kind, f"{key}/{number}") for number, one in enumerate(schema.get(key, ())))
    for key in ("properties", "patternProperties", "definitions", "$defs"):
        yield from ((one, "", f"{key}/{name}") for name, one in schema.get(key, {}).items())
    yield from ((schema[key], "", key) for key in ("items", "additionalProperties") if key in schema)
    if "propertyNames" in schema:
        yield schema["propertyNames"], "string", "propertyNames"
