"""Reads the policy: YAML, each key known, each once; whatever is wrong is named with its path."""

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from gateway.access.actions import CampaignRight
from gateway.access.errors import PolicyError
from gateway.access.policy import DialRule, Grant, Patterns, Policy, PolicyEntry
from gateway.access.reloading import Reloaded
from gateway.core.model import Priority
from gateway.runtime.patterns import Pattern, identity_pattern, text_pattern

SETTING = "DIAL_GATEWAY_POLICY_FILE"
VERSION = 1
MOST_BYTES = 1_048_576
HEAVIEST, LARGEST_WINDOW = 100, 100_000_000
_ENTRY = ("name", "identities", "dial", "weight", "window", *(action.value for action in CampaignRight))


def reloaded_policy(path: str, parse: Callable[[bytes], Policy] | None = None) -> Reloaded[Policy]:
    """Return the policy in a file, read again when it changes; raises `PolicyError`.

    What is broken is read again every second. Its text is parsed once, since a large one takes seconds;
    `parse` replaces `parse_policy`.
    """
    parse = parse or parse_policy
    refused: tuple[bytes, str] | None = None

    def read() -> Policy:
        nonlocal refused
        text = _text_in(path)
        if refused is not None and text == refused[0]:
            raise PolicyError(refused[1])
        try:
            return _policy_of(path, text, parse)
        except PolicyError as error:
            refused = text, str(error)
            raise

    return Reloaded("the policy", (path,), read)


def read_policy(path: str) -> Policy:
    """Return the policy in a file; raises `PolicyError` with the setting, the file, the path and the rule."""
    return _policy_of(path, _text_in(path), parse_policy)


def _text_in(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise PolicyError(f"{SETTING}: cannot read {path}: {error.strerror}") from error


def _policy_of(path: str, text: bytes, parse: Callable[[bytes], Policy]) -> Policy:
    try:
        return parse(text)
    except PolicyError as error:
        raise PolicyError(f"{SETTING}: {path}: {error}") from error


def parse_policy(text: bytes | str) -> Policy:
    """Return the policy in a text. Raises `PolicyError` with the path of the problem."""
    if len(text) > MOST_BYTES:
        raise PolicyError(f"the whole: at most {MOST_BYTES:,} bytes")
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise PolicyError(_in_words(error)) from error
    except Exception as error:
        raise PolicyError("no YAML that can be read") from error
    return _policy(document)


def _policy(document: object) -> Policy:
    table = _table("the whole", document, ("version", "callers"))
    if table.get("version") != VERSION or isinstance(table["version"], bool):
        raise PolicyError(f"version: must be {VERSION}")
    listed = _list("callers", table.get("callers"))
    return Policy(tuple(_entry(f"callers[{number}]", item) for number, item in enumerate(listed)))


def _entry(path: str, item: object) -> PolicyEntry:
    table = _table(path, item, _ENTRY)
    name = table.get("name", "")
    if not isinstance(name, str):
        raise PolicyError(f"{path}.name: must be a text")
    identities = _patterns(f"{path}.identities", table.get("identities"), identity_pattern)
    dial = _list(f"{path}.dial", table.get("dial", []), empty=True)
    actions = {
        action: _patterns(f"{path}.{action.value}", table[action.value], text_pattern)
        for action in CampaignRight
        if action.value in table
    }
    grant = Grant(
        tuple(_dial(f"{path}.dial[{number}]", rule) for number, rule in enumerate(dial)),
        actions,
        _whole(f"{path}.weight", table.get("weight", 1), HEAVIEST),
        _whole(f"{path}.window", table["window"], LARGEST_WINDOW) if "window" in table else None,
    )
    return PolicyEntry(identities, grant, name)


def _dial(path: str, rule: object) -> DialRule:
    table = _table(path, rule, ("campaigns", "priority"))
    campaigns = _patterns(f"{path}.campaigns", table.get("campaigns"), text_pattern)
    priority = table.get("priority", Priority.NORMAL.name)
    if not isinstance(priority, str) or priority not in Priority.__members__:
        raise PolicyError(f"{path}.priority: must be one of {', '.join(Priority.__members__)}")
    return DialRule(campaigns, Priority[priority])


def _patterns(path: str, listed: object, compiled: Callable[[str], Pattern]) -> Patterns:
    found = []
    for number, pattern in enumerate(_list(path, listed)):
        if not isinstance(pattern, str):
            raise PolicyError(f"{path}[{number}]: must be a text; put it in quotes")
        try:
            found.append(compiled(pattern))
        except ValueError as error:
            raise PolicyError(f"{path}[{number}]: {error}") from error
    return tuple(found)


def _whole(path: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise PolicyError(f"{path}: must be a whole number from 1 to {most:,}")
    return value


def _list(path: str, value: object, *, empty: bool = False) -> list[Any]:
    if not isinstance(value, list) or not (value or empty):
        raise PolicyError(f"{path}: must be a list{'' if empty else ' with something in it'}")
    return value


def _table(path: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(f"{path}: must be a mapping with the keys {', '.join(known)}")
    for key in value:
        if key not in known:
            raise PolicyError(
                f"{_below(path, key)}: unknown key; known are {', '.join(known)}{_near(key, known)}"
            )
    return value


def _below(path: str, key: object) -> str:
    name = key if isinstance(key, str) and key.isprintable() else repr(key)
    return name if path == "the whole" else f"{path}.{name}"


def _near(key: object, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _in_words(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"{where}{error.problem or 'no YAML that can be read'}"


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in _keys(node):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _keys(node: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "keys must be texts", key.start_mark)
        yield key
