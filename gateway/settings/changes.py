"""Compares settings with those that were read earlier."""

from dataclasses import fields
from typing import Any, NamedTuple

from gateway.settings.definitions import Settings


class Change(NamedTuple):
    """A setting with another value than before. It applies without a restart if it is `live`."""

    name: str
    before: Any
    after: Any
    live: bool


def changes(before: Settings, after: Settings) -> list[Change]:
    """Return the settings that differ. The values of secret ones are left out."""
    found = []
    for setting in fields(Settings):
        old, new = getattr(before, setting.name), getattr(after, setting.name)
        if old != new:
            is_secret, live = setting.metadata["kind"].secret, setting.metadata["live"]
            found.append(Change(setting.name, None if is_secret else old, None if is_secret else new, live))
    return found
