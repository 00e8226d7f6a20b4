"""Reads the guard file, in YAML. Unknown and repeated keys are errors, and each error names its path."""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gateway.access.reloading import parsed_once
from gateway.access.strict_yaml import (
    WHOLE,
    DocumentError,
    choice_at,
    compiled_at,
    document_of,
    list_at,
    table_at,
    whole_at,
)
from gateway.compliance.errors import GuardFileError
from gateway.compliance.holiday_calendar import HolidayCalendar
from gateway.compliance.hours_text import week_at
from gateway.compliance.numbers import KINDS, NEVER, Strictness
from gateway.compliance.rules import (
    ALL_CHANNELS,
    AfterClosing,
    Rule,
    RuleChannel,
    RuleSet,
    SeveralZones,
    Unmatched,
    ZoneFrom,
)
from gateway.compliance.time_zones import TimeZones
from gateway.core.fleet.contacts import ContactLimit
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory, campaign_pattern

SETTING = "DIAL_GATEWAY_GUARD_FILE"
VERSION = 1
MAX_RULES, MAX_CALLS, MAX_DAYS = 1_000, 1_000, 400
WHOLE_KEYS = ("version", "unmatched", "lists", "limits", "rules")
RULE_KEYS = (
    *("name", "campaigns", "channels", "observe", "hours", "zone", "several_zones", "no_zone", "holidays"),
    *("after_closing", "numbers", "regions", "kinds", "lists", "limits"),
)
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"
PERIOD_PATTERN = r"^[1-9][0-9]{0,4}[mhd]$"
REGION_PATTERN = "^[A-Z]{2}$"
CALENDAR_PATTERN = "^[A-Z]{2}(-[A-Za-z0-9]{1,8})?$"
ATTRIBUTE_PATTERN = r"^[a-zA-Z0-9\-_]{1,200}$"
CALLABLE_KINDS = tuple(kind for kind in KINDS if kind not in NEVER)
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}


class _Names(NamedTuple):
    """What the rules of a file may refer to."""

    zones: TimeZones
    directory: CampaignDirectory
    lists: dict[str, str]
    limits: dict[str, ContactLimit]


def rules_reader(
    path: str, zones: TimeZones, directory: CampaignDirectory = NO_DIRECTORY
) -> Callable[[], RuleSet]:
    """Return a function that reads the rules in a file, but parses a refused text only once.

    The function raises `GuardFileError` with the setting, the file, the path of the problem and the rule.
    """
    read = partial(_rules_of, path, zones=zones, directory=directory)
    return parsed_once(partial(_text_in, path), read)


def _text_in(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise GuardFileError(f"{SETTING}: cannot read {path}: {error.strerror}") from error


def _rules_of(path: str, text: bytes, zones: TimeZones, directory: CampaignDirectory) -> RuleSet:
    try:
        return parse_rules(text, zones, directory)
    except GuardFileError as error:
        raise GuardFileError(f"{SETTING}: {path}: {error}") from error


def parse_rules(text: bytes | str, zones: TimeZones, directory: CampaignDirectory = NO_DIRECTORY) -> RuleSet:
    """Return the rules in a text. Raises `GuardFileError` with the path of the problem."""
    content = text.encode() if isinstance(text, str) else text
    try:
        return _rule_set(document_of(content), hashlib.sha256(content).hexdigest()[:12], zones, directory)
    except DocumentError as error:
        raise GuardFileError(str(error)) from error


def _rule_set(document: object, version: str, zones: TimeZones, directory: CampaignDirectory) -> RuleSet:
    table = table_at(WHOLE, document, WHOLE_KEYS)
    if table.get("version") != VERSION or isinstance(table["version"], bool):
        raise DocumentError(f"version: must be {VERSION}")
    unmatched = choice_at("unmatched", table.get("unmatched", "refuse"), [one.value for one in Unmatched])
    names = _Names(zones, directory, _lists(table.get("lists", {})), _limits(table.get("limits", {})))
    listed = list_at("rules", table.get("rules"))
    if len(listed) > MAX_RULES:
        raise DocumentError(f"rules: at most {MAX_RULES:,}")
    rules = tuple(_rule(f"rules[{number}]", item, names) for number, item in enumerate(listed))
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        if rule.name in seen:
            raise DocumentError(f"rules[{number}].name: is given twice")
        seen.add(rule.name)
    return RuleSet(version, rules, Unmatched(unmatched), names.lists, directory)


def _lists(value: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, item in _mapping("lists", value).items():
        table = table_at(f"lists.{name}", item, ("file",))
        path = table.get("file")
        if not isinstance(path, str) or not path:
            raise DocumentError(f"lists.{name}.file: must be the path of a file")
        found[name] = path
    return found


def _limits(value: object) -> dict[str, ContactLimit]:
    found: dict[str, ContactLimit] = {}
    for name, item in _mapping("limits", value).items():
        table = table_at(f"limits.{name}", item, ("calls", "period"))
        calls = whole_at(f"limits.{name}.calls", table.get("calls"), MAX_CALLS)
        found[name] = ContactLimit(name, calls, _period(f"limits.{name}.period", table.get("period")))
    return found


def _mapping(path: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DocumentError(f"{path}: must be a mapping of names")
    for name in value:
        _text(f"{path}: a name", name, NAME_PATTERN, "1 to 64 letters, digits, spaces, '.', '_' or '-'")
    return value


def _period(path: str, value: object) -> float:
    text = _text(path, value, PERIOD_PATTERN, "minutes, hours or days, such as 30m, 24h or 7d")
    seconds = int(text[:-1]) * _SECONDS[text[-1]]
    if seconds > MAX_DAYS * 86_400:
        raise DocumentError(f"{path}: at most {MAX_DAYS}d")
    return float(seconds)


def _rule(path: str, item: object, names: _Names) -> Rule:
    table = table_at(path, item, RULE_KEYS)
    if "hours" not in table:
        raise DocumentError(f"{path}.hours: required; `always` if these campaigns may call at any time")
    compiled = partial(campaign_pattern, directory=names.directory)
    zone_from, zone = _zone(f"{path}.zone", table.get("zone", "number"), names.zones)
    return Rule(
        name=_text(f"{path}.name", table.get("name"), NAME_PATTERN, "1 to 64 letters, digits, ' ._-'"),
        campaigns=compiled_at(f"{path}.campaigns", table.get("campaigns"), compiled),
        week=week_at(f"{path}.hours", table["hours"]),
        channels=_channels(f"{path}.channels", table.get("channels")),
        zone_from=zone_from,
        zone=zone,
        several_zones=SeveralZones(_choice(path, table, "several_zones", SeveralZones.ALL)),
        no_zone=_no_zone(f"{path}.no_zone", table.get("no_zone", "refuse"), names.zones),
        holidays=_calendars(f"{path}.holidays", table.get("holidays")),
        after_closing=AfterClosing(_choice(path, table, "after_closing", AfterClosing.SHORTEN)),
        numbers=Strictness(_choice(path, table, "numbers", Strictness.VALID)),
        regions=_set(
            f"{path}.regions", table.get("regions"), REGION_PATTERN, 'a country such as "US", in quotes'
        ),
        kinds=_kinds(f"{path}.kinds", table.get("kinds")),
        lists=_named(f"{path}.lists", table.get("lists", []), names.lists),
        limits=tuple(
            names.limits[name] for name in _named(f"{path}.limits", table.get("limits", []), names.limits)
        ),
        observe=_flag(f"{path}.observe", table.get("observe", False)),
    )


def _choice(
    path: str, table: dict[str, Any], key: str, default: SeveralZones | AfterClosing | Strictness
) -> str:
    return choice_at(f"{path}.{key}", table.get(key, default.value), [one.value for one in type(default)])


def _zone(path: str, value: object, zones: TimeZones) -> tuple[ZoneFrom, str]:
    if value == ZoneFrom.NUMBER.value:
        return ZoneFrom.NUMBER, ""
    if not isinstance(value, dict) or len(value) != 1:
        raise DocumentError(f"{path}: must be number, {{attribute: KEY}} or {{fixed: ZONE}}")
    table = table_at(path, value, (ZoneFrom.ATTRIBUTE.value, ZoneFrom.FIXED.value))
    if "fixed" in table:
        return ZoneFrom.FIXED, _zone_name(f"{path}.fixed", table["fixed"], zones)
    key = _text(f"{path}.attribute", table["attribute"], ATTRIBUTE_PATTERN, "the key of an attribute")
    return ZoneFrom.ATTRIBUTE, key


def _zone_name(path: str, value: object, zones: TimeZones) -> str:
    if not isinstance(value, str) or not zones.known(value):
        raise DocumentError(f"{path}: must be the name of a time zone in the table {zones.table.version}")
    return value


def _no_zone(path: str, value: object, zones: TimeZones) -> str | None:
    return None if value == "refuse" else _zone_name(path, value, zones)


def _calendars(path: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return compiled_at(path, value, lambda code: HolidayCalendar(code).code)


def _channels(path: str, value: object) -> frozenset[RuleChannel]:
    if value is None:
        return ALL_CHANNELS
    listed, known = list_at(path, value), [one.value for one in RuleChannel]
    return frozenset(
        RuleChannel(choice_at(f"{path}[{number}]", one, known)) for number, one in enumerate(listed)
    )


def _kinds(path: str, value: object) -> frozenset[str] | None:
    if value is None:
        return None
    listed = list_at(path, value)
    return frozenset(
        choice_at(f"{path}[{number}]", kind, CALLABLE_KINDS) for number, kind in enumerate(listed)
    )


def _set(path: str, value: object, pattern: str, rule: str) -> frozenset[str] | None:
    if value is None:
        return None
    listed = list_at(path, value)
    return frozenset(_text(f"{path}[{number}]", one, pattern, rule) for number, one in enumerate(listed))


def _named(path: str, value: object, known: dict[str, Any]) -> tuple[str, ...]:
    listed = list_at(path, value, empty=True)
    for number, name in enumerate(listed):
        if not isinstance(name, str) or name not in known:
            raise DocumentError(
                f"{path}[{number}]: must be one of those that the file defines: {', '.join(known) or 'none'}"
            )
    return tuple(dict.fromkeys(listed))


def _flag(path: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise DocumentError(f"{path}: must be true or false")
    return value


def _text(path: str, value: object, pattern: str, rule: str) -> str:
    if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
        raise DocumentError(f"{path}: must be {rule}")
    return value
