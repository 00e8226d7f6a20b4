"""The settings: from environment variables and, below them, a file; checked before anything starts.

Every setting is listed once, in `Settings`. The variable `DIAL_GATEWAY_CALL_RATE` and the line
`call_rate = 10` of the TOML file mean the field `call_rate`; the variable wins.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from gateway.runtime.patterns import text_pattern

_T = TypeVar("_T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ApiName = Literal["v1", "v2"]
SenderName = Literal["direct", "boto3"]
LogFormat = Literal["auto", "json", "text"]
_ON, _OFF = ("on", "true", "1", "yes"), ("off", "false", "0", "no")
_SOURCES = ("off", "connect")
PREFIX = "DIAL_GATEWAY_"
CONFIG = "DIAL_GATEWAY_CONFIG"
# Kubernetes sets these in every pod if there is a Service with the name `dial-gateway`.
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_TARGET = "DIAL_GATEWAY_TARGET"  # of the command-line client
_KUBERNETES = re.compile(r"DIAL_GATEWAY_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)\w*)?)")


class SettingsError(ValueError):
    """A setting is wrong; the text is one line that names it, the value and the rule."""


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


def _number(low: float, high: float, *, above: bool = False) -> Kind:
    def read(text: str) -> float:
        value = float(text)
        return _checked(value, low <= value <= high and not (above and value == low))

    rule = f"a number {'above' if above else 'from'} {low:g} to {high:g}"
    lowest = "exclusiveMinimum" if above else "minimum"
    return Kind(rule, read, {"type": "number", lowest: low, "maximum": high}, (int, float))


def _whole(low: int, high: int) -> Kind:
    return Kind(
        f"a whole number from {low:,} to {high:,}",
        lambda text: _checked(int(text), low <= int(text) <= high),
        {"type": "integer", "minimum": low, "maximum": high},
        (int,),
    )


def _one_of(*allowed: str, note: str = "") -> Kind:
    fold = {name.lower(): name for name in allowed}
    return Kind(
        f"one of {', '.join(allowed)}{note}",
        lambda text: _checked(fold.get(text.lower()), text.lower() in fold),
        {"enum": list(allowed)},
    )


def _read_address(text: str) -> str:
    host, _, port = text.rpartition(":")
    return _checked(text, bool(host) and port.isascii() and port.isdigit() and int(port) <= 65_535)


def _checked(value: _T, legal: bool) -> _T:
    if not legal:
        raise ValueError
    return value


def _read_patterns(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.rpartition("=") for part in text.split(",") if part.strip()]
    legal = all(_is_pattern(pattern.strip()) and api.strip() in {"v1", "v2"} for pattern, _, api in pairs)
    return _checked(tuple((pattern.strip(), api.strip()) for pattern, _, api in pairs), legal)


def _is_pattern(text: str) -> bool:
    """Whether a text is a pattern; `?` and `[` are refused since they were special in earlier versions."""
    text_pattern(text)
    return not set(text) & set("?[")


def _read_networks(text: str) -> tuple[Network, ...]:
    parts = [part.strip() for part in text.split(",")]
    return _checked(tuple(ipaddress.ip_network(part) for part in parts), all(parts))


def _read_hosts(text: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower() for part in text.split(","))
    return _checked(names, all(len(name) <= 253 and _HOST.fullmatch(name) for name in names))


def _text(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": f"^{pattern}$"}


_NOT_EMPTY = {"type": "string", "minLength": 1}
_SWITCH = Kind(
    "on or off",
    lambda text: _checked(text.lower() in _ON, text.lower() in {*_ON, *_OFF}),
    {"enum": [True, False, *_ON, *_OFF]},
    (bool,),
)
_PATTERNS = Kind(
    "a list such as 'debt-*=v2,trial=v1', in which only * is special and ? and [ are not possible",
    _read_patterns,
    _text(r"([^,?\[]+=(v1|v2)(,[^,?\[]+=(v1|v2))*)?"),
    listed=True,
)
_ADDRESS = Kind("HOST:PORT, with a port from 0 to 65535", _read_address, _text(r".+:[0-9]{1,5}"))
_NETWORKS = Kind(
    "a list of addresses and networks such as '10.1.0.0/16,127.0.0.6'",
    _read_networks,
    _text(r"[0-9a-fA-F:.]+(/[0-9]{1,3})?( *, *[0-9a-fA-F:.]+(/[0-9]{1,3})?)*"),
    listed=True,
)
_HOSTS = Kind(
    "a list of names without ports such as 'console.example.org,*.corp.example.org'",
    _read_hosts,
    _text(r"[*a-zA-Z0-9_][a-zA-Z0-9_.*, -]*"),
    listed=True,
)
_HEADER = Kind(
    "the name of an HTTP header such as x-forwarded-email",
    lambda text: _checked(text.lower(), bool(re.fullmatch(r"[A-Za-z0-9-]{1,100}", text))),
    _text(r"[A-Za-z0-9-]{1,100}"),
)
_FILE = Kind("the path of a file", lambda text: _checked(text, bool(text)), _NOT_EMPTY)
_DIRECTORY = Kind(
    "off, connect, or the path of a file",
    lambda text: _checked(text.lower() if text.lower() in _SOURCES else text, bool(text)),
    _NOT_EMPTY,
)
_SECRET = Kind("a text that is not empty", lambda text: _checked(text, bool(text)), _NOT_EMPTY, secret=True)
_KEY_PREFIX = Kind(
    "1 to 64 of A-Z, a-z, 0-9, '_', '.', ':', '-'",
    lambda text: _checked(text, bool(re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", text))),
    _text(r"[A-Za-z0-9_.:-]{1,64}"),
)
_NAME = Kind(
    "1 to 100 of A-Z, a-z, 0-9, '_', '.', '-'",
    lambda text: _checked(text, bool(re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text))),
    _text(r"[A-Za-z0-9_.-]{1,100}"),
)


def _setting(default: Any, kind: Kind, meaning: str, *, live: bool = False) -> Any:
    """Describe a setting. A `live` one is taken over from the file while the gateway runs."""
    about = {"kind": kind, "meaning": meaning, "live": live}
    return field(default=default, repr=not kind.secret, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `dial-gateway serve` runs with. Durations are in seconds."""

    @property
    def campaign_file(self) -> str | None:
        """The file with the campaign directory, None if it has another source or there is none."""
        return None if self.campaign_directory in _SOURCES else self.campaign_directory

    listen: str = _setting("127.0.0.1:50051", _ADDRESS, "gRPC address")
    admin_listen: str = _setting("127.0.0.1:9464", _ADDRESS, "address of health, metrics and the console")
    admin_identity_header: str | None = _setting(
        None, _HEADER, "header in which a trusted proxy states who uses the console"
    )
    admin_hosts: tuple[str, ...] = _setting(
        (), _HOSTS, "names that the admin port is asked by, beside addresses and names inside"
    )
    connect_api: ApiName = _setting(  # noqa: RUF009 - a field of its own each time, as the others
        "v1", _one_of("v1", "v2"), "Amazon Connect's API"
    )
    connect_api_by_campaign: tuple[tuple[str, ApiName], ...] = _setting(
        (),
        _PATTERNS,
        "API of the campaigns whose id, name or tag matches, before connect_api; the first match counts",
    )
    campaign_directory: str = _setting(
        "off", _DIRECTORY, "where the names of campaigns come from: off, connect, or the path of a file"
    )
    campaign_directory_interval: float = _setting(
        60.0, _number(5, 86_400), "seconds between two readings of the names from Amazon Connect"
    )
    call_rate: float = _setting(10.0, _number(0, 100_000), "calls a second; 0 = no limit", live=True)
    call_burst: float = _setting(10.0, _number(1, 100_000), "calls that may leave at once", live=True)
    max_concurrent_calls: int = _setting(8, _whole(1, 1000), "calls in flight")
    linger: float = _setting(0.05, _number(0, 60), "seconds a lone request waits for company")
    stream_window: int = _setting(5000, _whole(1, 1_000_000), "unanswered requests per stream")
    caller_window: int = _setting(
        100_000, _whole(1, 100_000_000), "unanswered requests per caller, over all its streams"
    )
    stream_limit: int = _setting(4000, _whole(1, 1_000_000), "streams open in all")
    caller_streams: int = _setting(2000, _whole(1, 1_000_000), "streams open per caller")
    stream_max_age: float = _setting(
        1200.0, _number(0, 604_800), "seconds after which a stream ends, about; 0 = never"
    )
    keepalive: float = _setting(
        60.0, _number(1, 7200), "seconds without a byte after which a caller is pinged"
    )
    keepalive_timeout: float = _setting(
        20.0, _number(1, 600), "seconds for a ping's answer, after which the connection is closed"
    )
    queue_limit: int = _setting(200_000, _whole(1, 100_000_000), "requests held in all")
    queue_bytes: int = _setting(268_435_456, _whole(1, 1 << 40), "bytes of memory for what is held")
    expiry_headroom: float = _setting(
        5.0, _number(0, 3600), "seconds before expiration at which a request counts as expired"
    )
    replay_window: float = _setting(
        1200.0, _number(0, 604_800, above=True), "seconds an ACCEPTED token is remembered"
    )
    replay_limit: int = _setting(500_000, _whole(1, 100_000_000), "tokens remembered, about")
    max_attempts: int = _setting(5, _whole(1, 100), "attempts that count, per request")
    sender: SenderName = _setting(  # noqa: RUF009 - a field of its own each time, as the others
        "direct", _one_of("direct", "boto3"), "how calls are sent: on the event loop, or by boto3 in threads"
    )
    call_timeout: float = _setting(5.0, _number(0, 300, above=True), "seconds for one Connect call")
    would_expire: bool = _setting(
        True, _SWITCH, "whether a request whose turn would come too late is answered at once", live=True
    )
    drain_grace: float = _setting(25.0, _number(0, 3600, above=True), "seconds to leave in")
    log_level: str = _setting(
        "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "how much is logged", live=True
    )
    log_format: LogFormat = _setting(  # noqa: RUF009 - a field of its own each time, as the others
        "auto", _one_of("auto", "json", "text"), "how a line is written; auto: text on a terminal, else JSON"
    )
    metrics_campaigns: int = _setting(1000, _whole(1, 100_000), "campaigns with figures of their own")
    metrics_callers: int = _setting(200, _whole(1, 100_000), "callers with figures of their own")
    tls_cert_file: str | None = _setting(None, _FILE, "certificate of the gateway, with its chain, for TLS")
    tls_key_file: str | None = _setting(None, _FILE, "its key")
    tls_client_ca_file: str | None = _setting(
        None, _FILE, "authority of which callers must show a certificate"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (), _NETWORKS, "proxies whose word on the caller's identity is taken"
    )
    policy_file: str | None = _setting(None, _FILE, "who may dial what")
    guard_file: str | None = _setting(None, _FILE, "rules on when and how often numbers may be called")
    guard_key_file: str | None = _setting(None, _FILE, "secret key of the hashes of numbers")
    guard_audit_file: str | None = _setting(None, _FILE, "file to which the guard writes its audit trail")
    guard_audit_file_bytes: int = _setting(
        104_857_600,
        _whole(4096, 1 << 40),
        "bytes of that file after which it is renamed and a new one begins",
    )
    guard_audit_files: int = _setting(
        100, _whole(1, 100_000), "renamed files of the audit trail that are kept"
    )
    guard_audit_otlp: bool = _setting(False, _SWITCH, "whether the audit trail is exported as log records")
    guard_audit_required: bool = _setting(
        True, _SWITCH, "whether nothing is sent while the audit trail cannot be written"
    )
    suppression_file: str | None = _setting(
        None, _FILE, "keeps suppressions of numbers, if there is no shared state"
    )
    admin_token_file: str | None = _setting(None, _FILE, "token that changes things on the admin port")
    shared_state_url: str | None = _setting(
        None, _SECRET, "Valkey or Redis that lets all replicas act as one gateway"
    )
    shared_state_password: str | None = _setting(None, _SECRET, "its password")
    shared_state_password_file: str | None = _setting(None, _FILE, "file with its password")
    shared_state_timeout: float = _setting(
        0.25, _number(0.05, 5), "seconds for one operation in the shared state"
    )
    shared_state_prefix: str = _setting("dial-gateway", _KEY_PREFIX, "what the fleet's keys begin with")
    shared_state_tls_ca_file: str | None = _setting(
        None, _FILE, "authority of the shared state's certificate"
    )
    shared_state_tls_cert_file: str | None = _setting(None, _FILE, "certificate shown to the shared state")
    shared_state_tls_key_file: str | None = _setting(None, _FILE, "its key")
    shared_state_fingerprint_key_file: str | None = _setting(
        None, _FILE, "key of the fingerprints of dial requests; default: the fleet makes one"
    )
    shared_state_longest_outage: float = _setting(
        600.0, _number(1, 86_400), "seconds without the shared state after which nothing is sent"
    )
    replica: str | None = _setting(None, _NAME, "name of this replica; default: the host's name")


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
        entries = [_checked(entry, isinstance(entry, str) and "," not in entry) for entry in value]
        return ",".join(entries)
    return _checked(str(value), type(value) in kind.natives)  # the exact type: a boolean is also an int


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
