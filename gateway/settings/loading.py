"""Reads the settings from environment variables and, below them, from a file, and checks them.

The variable `DIAL_GATEWAY_CALL_RATE` and the line `call_rate = 10` of the TOML file mean the field
`call_rate` of `Settings`; the variable wins.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from gateway.settings.definitions import Settings
from gateway.settings.kinds import Kind, checked

PREFIX = "DIAL_GATEWAY_"
CONFIG = "DIAL_GATEWAY_CONFIG"
_TARGET = "DIAL_GATEWAY_TARGET"  # of the command-line client
# Kubernetes sets these in every pod if there is a Service with the name `dial-gateway`.
_KUBERNETES = re.compile(r"DIAL_GATEWAY_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)\w*)?)")


class SettingsError(ValueError):
    """A setting is wrong; the text is one line that names it, the value and the rule."""


def load(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return the settings, and warnings about variables that look like settings but are not.

    Raises `SettingsError` for the first wrong one.
    """
    values: dict[str, Any] = {}
    if path := environment.get(CONFIG):
        values.update(_from_file(path))
    for setting in fields(Settings):
        name = PREFIX + setting.name.upper()
        if name in environment:
            values[setting.name] = _read(name, setting.metadata["kind"], environment[name])
    return Settings(**values), _warnings(environment)


def hidden_by_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the settings of the file that have no effect, since a variable sets them.

    Raises `SettingsError`.
    """
    path = environment.get(CONFIG)
    names = _from_file(path) if path else {}
    return [name for name in names if PREFIX + name.upper() in environment]


def _from_file(path: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise SettingsError(f"{CONFIG}: cannot read {path}: nested too deeply") from None
    except (OSError, ValueError) as error:  # no UTF-8, no TOML, a number of too many digits
        raise SettingsError(f"{CONFIG}: cannot read {path}: {error}") from error
    known = {setting.name: setting for setting in fields(Settings)}
    for key in table:
        if key not in known:
            raise SettingsError(f"{path}: unknown setting {key!r}{_suggestion(key, list(known))}")
    return {
        key: _read_native(f"{path}: {key}", known[key].metadata["kind"], value)
        for key, value in table.items()
    }


def _read(name: str, kind: Kind, text: str) -> Any:
    try:
        return kind.read(text.strip())
    except ValueError:
        got = "another" if kind.secret else repr(text)
        raise SettingsError(f"{name}: must be {kind.rule}; got {got}") from None


def _read_native(name: str, kind: Kind, value: object) -> Any:
    """Return the setting for a value of TOML; text is read like that of a variable."""
    if isinstance(value, str):
        return _read(name, kind, value)
    if value == [] and kind.listed:
        return ()
    try:
        return kind.read(_as_text(kind, value))
    except ValueError:
        got = "another" if kind.secret else _in_words(value)
        raise SettingsError(f"{name}: must be {kind.rule}; got {got}") from None


def _as_text(kind: Kind, value: object) -> str:
    """Return a value of TOML as the text of a variable. Raises `ValueError` if its type is wrong."""
    if kind.listed and isinstance(value, list):
        entries = [checked(entry, isinstance(entry, str) and "," not in entry) for entry in value]
        return ",".join(entries)
    return checked(str(value), type(value) in kind.natives)  # the exact type: a boolean is also an int


def _in_words(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to print integers of several thousand digits
        return "a number of too many digits"


def _warnings(environment: Mapping[str, str]) -> list[str]:
    known = [setting.name.upper() for setting in fields(Settings)] + [CONFIG.removeprefix(PREFIX)]
    ours = [name for name in sorted(environment) if name.startswith(PREFIX)]
    return [
        f"{name} is no setting and is ignored{_suggestion(name.removeprefix(PREFIX), known, PREFIX)}"
        for name in ours
        if name.removeprefix(PREFIX) not in known and name != _TARGET and not _KUBERNETES.fullmatch(name)
    ]


def _suggestion(name: str, known: list[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)  # without the prefix, in which all are alike
    return f"; did you mean {prefix}{near[0]}?" if near else ""
