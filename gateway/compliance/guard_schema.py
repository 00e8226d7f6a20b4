"""The JSON schema of the guard file, from the same patterns and limits that the reader uses."""

from enum import Enum
from typing import Any

from gateway.compliance import guard_file
from gateway.compliance.hours_text import ALWAYS_TEXT, DAY_PATTERN, MAX_WINDOWS, WINDOW_PATTERN
from gateway.compliance.numbers import Strictness
from gateway.compliance.rules import AfterClosing, RuleChannel, SeveralZones, Unmatched
from gateway.runtime.patterns import LONGEST_PATTERN

Schema = dict[str, Any]
_NAME: Schema = {"type": "string", "pattern": guard_file.NAME_PATTERN}
_CAMPAIGN: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_PATTERN,
    "pattern": "^(?!name:$)(?!tag:(?![^*=]+=.))",
}
_ZONE_NAME: Schema = {"type": "string", "minLength": 1, "description": "A time zone such as Europe/London."}


def schema() -> Schema:
    """Return the schema of the whole file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of the compliance guard of the dial gateway",
        "description": f"The file that {guard_file.SETTING} names. docs/guard.md tells more.",
        **_table(
            ("version", "rules"),
            version={"const": guard_file.VERSION},
            unmatched=_choice(Unmatched, "refuse", "What happens to campaigns that no rule names."),
            lists=_named({"$ref": "#/$defs/list"}, "Suppression lists by name."),
            limits=_named({"$ref": "#/$defs/limit"}, "Contact limits by name; rules that name one share it."),
            rules=_list({"$ref": "#/$defs/rule"}, most=guard_file.MAX_RULES),
        ),
        "$defs": {"list": _of_list(), "limit": _of_limit(), "hours": _of_hours(), "rule": _of_rule()},
    }


def _of_list() -> Schema:
    path = {"type": "string", "minLength": 1, "description": "A text file with a number in each line."}
    return _table(("file",), file=path)


def _of_limit() -> Schema:
    return _table(
        ("calls", "period"),
        calls={"type": "integer", "minimum": 1, "maximum": guard_file.MAX_CALLS},
        period={"type": "string", "pattern": guard_file.PERIOD_PATTERN, "examples": ["7d", "24h", "30m"]},
    )


def _of_hours() -> Schema:
    window = {"type": "string", "pattern": WINDOW_PATTERN, "examples": ["08:00-21:00", "22:00-02:00"]}
    return {
        "description": "Windows by weekday, as the clock shows them in the time zone of the rule.",
        "oneOf": [
            {"const": ALWAYS_TEXT},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "patternProperties": {
                    DAY_PATTERN: {"type": "array", "maxItems": MAX_WINDOWS, "items": window}
                },
            },
        ],
    }


def _of_rule() -> Schema:
    return _table(
        ("name", "campaigns", "hours"),
        name=_NAME,
        campaigns=_list(_CAMPAIGN, "Ids, name:PATTERN or tag:KEY=PATTERN; * is anything."),
        channels=_list(
            {"enum": [one.value for one in RuleChannel]}, "The channels it applies to; default: all."
        ),
        observe={
            "type": "boolean",
            "default": False,
            "description": "Its verdicts are counted, not enforced.",
        },
        hours={"$ref": "#/$defs/hours"},
        zone=_of_zone(),
        several_zones=_choice(SeveralZones, "all", "Which zones of a number must be in hours."),
        no_zone={"description": "refuse, or the zone that counts if there is none.", **_ZONE_NAME},
        holidays=_list(_text(guard_file.CALENDAR_PATTERN), "Countries and regions, such as US or US-CA."),
        after_closing=_choice(AfterClosing, "shorten", "What happens if the expiration is after closing."),
        numbers=_choice(Strictness, "valid", "How strictly numbers are checked."),
        regions=_list(_text(guard_file.REGION_PATTERN), "Allowed regions, such as US."),
        kinds=_list({"enum": list(guard_file.CALLABLE_KINDS)}, "Allowed kinds of numbers."),
        lists={"type": "array", "items": _NAME, "description": "Lists whose numbers are refused."},
        limits={"type": "array", "items": _NAME, "description": "Limits that calls count under."},
    )


def _of_zone() -> Schema:
    attribute = {"type": "string", "pattern": guard_file.ATTRIBUTE_PATTERN}
    return {
        "description": "Where the time zone is taken from.",
        "oneOf": [
            {"const": "number"},
            _table(("attribute",), attribute=attribute),
            _table(("fixed",), fixed=_ZONE_NAME),
        ],
    }


def _table(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def _named(value: Schema, description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": guard_file.NAME_PATTERN},
        "additionalProperties": value,
    }


def _list(items: Schema, description: str = "", most: int | None = None) -> Schema:
    found: Schema = {"type": "array", "minItems": 1, "items": items}
    if most is not None:
        found["maxItems"] = most
    return {"description": description, **found} if description else found


def _choice(kind: type[Enum], default: str, description: str) -> Schema:
    values = [one.value for one in kind]
    return {"enum": values, "default": default, "description": description}


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}
