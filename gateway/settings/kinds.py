"""The kinds of settings: how the text of a value is read, its rule in words, and its JSON schema."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from gateway.runtime.patterns import text_pattern

_T = TypeVar("_T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ON, _OFF = ("on", "true", "1", "yes"), ("off", "false", "0", "no")
SOURCES = ("off", "connect")
"""Sources of the campaign directory beside a file."""
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class Kind(NamedTuple):
    """The kind of a setting: its reader, which raises `ValueError` for a wrong text, and its rule in words.

    `schema` is a JSON schema of the values in their usual spelling; the schema of the chart's values is made
    from it. The reader may accept other spellings, such as capitals, and may refuse more. `natives` are the
    TOML types that a file may use instead of text. A `listed` setting may be an array of texts in a file,
    with one entry in each. The value of a `secret` one is never shown.
    """

    rule: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    natives: tuple[type, ...] = ()
    listed: bool = False
    secret: bool = False


def number(low: float, high: float, *, above: bool = False) -> Kind:
    """Return the kind of a number from `low`, or `above` it, to `high`."""

    def read(text: str) -> float:
        value = float(text)
        return checked(value, low <= value <= high and not (above and value == low))

    rule = f"a number {'above' if above else 'from'} {low:g} to {high:g}"
    lowest = "exclusiveMinimum" if above else "minimum"
    return Kind(rule, read, {"type": "number", lowest: low, "maximum": high}, (int, float))


def whole(low: int, high: int) -> Kind:
    """Return the kind of a whole number from `low` to `high`."""
    return Kind(
        f"a whole number from {low:,} to {high:,}",
        lambda text: checked(int(text), low <= int(text) <= high),
        {"type": "integer", "minimum": low, "maximum": high},
        (int,),
    )


def one_of(*allowed: str, note: str = "") -> Kind:
    """Return the kind of a text that is one of a few, in capitals or not."""
    fold = {name.lower(): name for name in allowed}
    return Kind(
        f"one of {', '.join(allowed)}{note}",
        lambda text: checked(fold.get(text.lower()), text.lower() in fold),
        {"enum": list(allowed)},
    )


_ADDRESS = r"([^:\[\]]+|\[[^\[\]]+\]):[0-9]{1,5}"
"""An IPv6 address without brackets would leave open where its port begins."""


def _read_address(text: str) -> str:
    found = re.fullmatch(_ADDRESS, text)
    return checked(text, found is not None and int(text.rpartition(":")[2]) <= 65_535)


def checked(value: _T, legal: bool) -> _T:
    """Return a value if it is `legal`. Raises `ValueError`."""
    if not legal:
        raise ValueError
    return value


def _read_patterns(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.rpartition("=") for part in text.split(",") if part.strip()]
    legal = all(_is_pattern(pattern.strip()) and api.strip() in {"v1", "v2"} for pattern, _, api in pairs)
    return checked(tuple((pattern.strip(), api.strip()) for pattern, _, api in pairs), legal)


def _is_pattern(text: str) -> bool:
    """Whether a text is a pattern; `?` and `[` are refused since they were special in earlier versions."""
    text_pattern(text)
    return not set(text) & set("?[")


def _read_networks(text: str) -> tuple[Network, ...]:
    parts = [part.strip() for part in text.split(",")]
    return checked(tuple(ipaddress.ip_network(part) for part in parts), all(parts))


def _read_hosts(text: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower() for part in text.split(","))
    return checked(names, all(len(name) <= 253 and _HOST.fullmatch(name) for name in names))


def _text(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _matching(rule: str, pattern: str) -> Kind:
    return Kind(rule, lambda text: checked(text, bool(re.fullmatch(pattern, text))), _text(pattern))


_NOT_EMPTY = {"type": "string", "minLength": 1}
SWITCH = Kind(
    "on or off",
    lambda text: checked(text.lower() in _ON, text.lower() in {*_ON, *_OFF}),
    {"enum": [True, False, *_ON, *_OFF]},
    (bool,),
)
PATTERNS = Kind(
    "a list such as 'debt-*=v2,trial=v1', in which only * is special and ? and [ are not possible",
    _read_patterns,
    _text(r"([^,?\[]+=(v1|v2)(,[^,?\[]+=(v1|v2))*)?"),
    listed=True,
)
ADDRESS = Kind(
    "HOST:PORT, with a port from 0 to 65535, and with an IPv6 address as HOST in brackets",
    _read_address,
    _text(_ADDRESS),
)
NETWORKS = Kind(
    "a list of addresses and networks such as '10.1.0.0/16,127.0.0.6', without bits after the prefix",
    _read_networks,
    _text(r"[0-9a-fA-F:.]+(/[0-9]{1,3})?( *, *[0-9a-fA-F:.]+(/[0-9]{1,3})?)*"),
    listed=True,
)
HOSTS = Kind(
    "a list of names without ports such as 'console.example.org,*.corp.example.org'",
    _read_hosts,
    _text(r"[*a-zA-Z0-9_][a-zA-Z0-9_.*, -]*"),
    listed=True,
)
HEADER = Kind(
    "the name of an HTTP header such as x-forwarded-email",
    lambda text: checked(text.lower(), bool(re.fullmatch(r"[A-Za-z0-9-]{1,100}", text))),
    _text(r"[A-Za-z0-9-]{1,100}"),
)
FILE = Kind("the path of a file", lambda text: checked(text, bool(text)), _NOT_EMPTY)
DIRECTORY = Kind(
    "off, connect, or the path of a file",
    lambda text: checked(text.lower() if text.lower() in SOURCES else text, bool(text)),
    _NOT_EMPTY,
)
SECRET = Kind("a text that is not empty", lambda text: checked(text, bool(text)), _NOT_EMPTY, secret=True)
KEY_PREFIX = _matching("1 to 64 of A-Z, a-z, 0-9, '_', '.', ':', '-'", r"[A-Za-z0-9_.:-]{1,64}")
NAME = _matching("1 to 100 of A-Z, a-z, 0-9, '_', '.', '-'", r"[A-Za-z0-9_.-]{1,100}")
