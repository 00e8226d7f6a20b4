"""Reads the policy, in YAML. Unknown and repeated keys are errors, and each error names its path."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.access.actions import CampaignRight, NumberRight
from gateway.access.errors import PolicyError
from gateway.access.policy import DialRule, Grant, Policy, PolicyEntry
from gateway.access.reloading import Reloaded, parsed_once
from gateway.access.settled_file import SYSTEM_CLOCKS, WRITTEN_QUIET_S, FileClocks
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
from gateway.core.model import Priority
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory, campaign_pattern
from gateway.runtime.patterns import Matcher, identity_pattern

SETTING = "DIAL_GATEWAY_POLICY_FILE"
VERSION = 1
HEAVIEST, LARGEST_WINDOW = 100, 100_000_000
_ENTRY = (
    *("name", "identities", "dial", "weight", "window"),
    *(action.value for action in CampaignRight),
    *(right.value for right in NumberRight),
)


def reloaded_policy(
    path: str,
    parse: Callable[[bytes], Policy] | None = None,
    directory: CampaignDirectory = NO_DIRECTORY,
    clocks: FileClocks = SYSTEM_CLOCKS,
) -> Reloaded[Policy]:
    """Return the policy in a file, read again when it changes; raises `PolicyError`.

    What is broken is read again every second. Its text is parsed once, since a large one takes seconds;
    `parse` replaces `parse_policy`.
    """
    read = partial(_policy_of, path, parse=parse or partial(parse_policy, directory=directory))
    return Reloaded(
        "the policy", (path,), parsed_once(partial(_text_in, path), read), WRITTEN_QUIET_S, clocks
    )


def read_policy(path: str, directory: CampaignDirectory = NO_DIRECTORY) -> Policy:
    """Return the policy in a file; raises `PolicyError` with the setting, the file, the path and the rule."""
    return _policy_of(path, _text_in(path), partial(parse_policy, directory=directory))


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


def parse_policy(text: bytes | str, directory: CampaignDirectory = NO_DIRECTORY) -> Policy:
    """Return the policy in a text. Raises `PolicyError` with the path of the problem.

    Its patterns on names and tags of campaigns match by the newest table of the `directory`.
    """
    try:
        return _policy(document_of(text), directory)
    except DocumentError as error:
        raise PolicyError(str(error)) from error


def _policy(document: object, directory: CampaignDirectory) -> Policy:
    table = table_at(WHOLE, document, ("version", "callers"))
    if table.get("version") != VERSION or isinstance(table["version"], bool):
        raise PolicyError(f"version: must be {VERSION}")
    listed = list_at("callers", table.get("callers"))
    return Policy(tuple(_entry(f"callers[{number}]", item, directory) for number, item in enumerate(listed)))


def _entry(path: str, item: object, directory: CampaignDirectory) -> PolicyEntry:
    table = table_at(path, item, _ENTRY)
    name = table.get("name", "")
    if not isinstance(name, str):
        raise PolicyError(f"{path}.name: must be a text")
    identities = compiled_at(f"{path}.identities", table.get("identities"), identity_pattern)
    dial = list_at(f"{path}.dial", table.get("dial", []), empty=True)
    compiled = partial(campaign_pattern, directory=directory)
    actions = {
        action: compiled_at(f"{path}.{action.value}", table[action.value], compiled)
        for action in CampaignRight
        if action.value in table
    }
    grant = Grant(
        tuple(_dial(f"{path}.dial[{number}]", rule, compiled) for number, rule in enumerate(dial)),
        actions,
        whole_at(f"{path}.weight", table.get("weight", 1), HEAVIEST),
        whole_at(f"{path}.window", table["window"], LARGEST_WINDOW) if "window" in table else None,
        directory=directory if directory.enabled else None,
        numbers=frozenset(
            right for right in NumberRight if _flag(f"{path}.{right.value}", table.get(right.value, False))
        ),
    )
    return PolicyEntry(identities, grant, name)


def _dial(path: str, rule: object, compiled: Callable[[str], Matcher]) -> DialRule:
    table = table_at(path, rule, ("campaigns", "priority"))
    campaigns = compiled_at(f"{path}.campaigns", table.get("campaigns"), compiled)
    priority = table.get("priority", Priority.NORMAL.name)
    named = choice_at(f"{path}.priority", priority, tuple(Priority.__members__))
    return DialRule(campaigns, Priority[named])


def _flag(path: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(f"{path}: must be true or false")
    return value
