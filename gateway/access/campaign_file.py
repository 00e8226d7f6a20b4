"""Reads the campaign directory from a YAML file instead of Amazon Connect."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from gateway.access.errors import CampaignFileError
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import COMPUTED_QUIET_S, SYSTEM_CLOCKS, FileClocks
from gateway.access.strict_yaml import WHOLE, DocumentError, document_of, list_at, table_at
from gateway.core.campaign_id import problem_with_campaign
from gateway.directory.table import (
    LONGEST_NAME,
    LONGEST_TAG_KEY,
    LONGEST_TAG_VALUE,
    MAX_CAMPAIGNS,
    MAX_TAGS,
    CampaignEntry,
    CampaignTable,
)

SETTING = "DIAL_GATEWAY_CAMPAIGN_DIRECTORY"
VERSION = 1
MAX_BYTES = 8_388_608


def reloaded_campaigns(path: str, clocks: FileClocks = SYSTEM_CLOCKS) -> Reloaded[CampaignTable]:
    """Return the campaigns in a file, read again when it changes. Raises `CampaignFileError`.

    The rules of the guard name campaigns: without some names, calls may leave that a rule forbids.
    """
    read = partial(read_campaigns, path)
    return Reloaded("the campaign directory", (path,), read, COMPUTED_QUIET_S, clocks)


def read_campaigns(path: str) -> CampaignTable:
    """Return the campaigns in a file. Raises `CampaignFileError` with the setting, the path and the rule."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        rule = "it must be off, connect, or the path of a file"
        raise CampaignFileError(f"{SETTING}: cannot read {path}: {error.strerror}; {rule}") from error
    try:
        return _campaigns(document_of(text, MAX_BYTES))
    except DocumentError as error:
        raise CampaignFileError(f"{SETTING}: {path}: {error}") from error


def _campaigns(document: object) -> CampaignTable:
    table = table_at(WHOLE, document, ("version", "campaigns"))
    if table.get("version") != VERSION or isinstance(table["version"], bool):
        raise DocumentError(f"version: must be {VERSION}")
    listed = list_at("campaigns", table.get("campaigns"), empty=True)
    if len(listed) > MAX_CAMPAIGNS:
        raise DocumentError(f"campaigns: at most {MAX_CAMPAIGNS:,}")
    entries: dict[str, CampaignEntry] = {}
    for number, item in enumerate(listed):
        entry = _entry(f"campaigns[{number}]", item)
        if entry.campaign_id in entries:
            raise DocumentError(f"campaigns[{number}].id: is given twice")
        entries[entry.campaign_id] = entry
    return CampaignTable(entries.values())


def _entry(path: str, item: object) -> CampaignEntry:
    table = table_at(path, item, ("id", "name", "tags"))
    campaign_id = _text(f"{path}.id", table.get("id"), 1, 256)
    problem = problem_with_campaign(campaign_id)
    if problem is not None:
        raise DocumentError(f"{path}.id: {problem.partition(': ')[2]}")
    name = _text(f"{path}.name", table.get("name"), 1, LONGEST_NAME)
    return CampaignEntry(campaign_id, name, _tags(f"{path}.tags", table.get("tags", {})))


def _tags(path: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_TAGS:
        raise DocumentError(f"{path}: must be a mapping of at most {MAX_TAGS} tags")
    return {
        _text(f"{path}: a key", key, 1, LONGEST_TAG_KEY): _text(
            f"{path}: a value", text, 0, LONGEST_TAG_VALUE
        )
        for key, text in value.items()
    }


def _text(path: str, value: object, shortest: int, longest: int) -> str:
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise DocumentError(f"{path}: must be a text of {shortest} to {longest} characters; put it in quotes")
    return value
