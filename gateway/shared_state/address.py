"""The address of the shared state: `DIAL_GATEWAY_SHARED_STATE_URL`.

    valkey://[USER@]HOST[:PORT][/DATABASE]                    one server, or the name of a hosted service
    valkey+sentinel://[USER@]HOST[:PORT],.../SERVICE[/DATABASE]
    valkey+cluster://[USER@]HOST[:PORT],...                   some nodes of a cluster

`redis` is another name of `valkey`; `valkeys` and `rediss` use TLS. No error repeats a part of the URL, since
it may contain a password by mistake.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn
from urllib.parse import unquote

SETTING = "DIAL_GATEWAY_SHARED_STATE_URL"
PORT, SENTINEL_PORT = 6379, 26379
Kind = Literal["single", "sentinel", "cluster"]
_SCHEME = re.compile(r"(valkey|redis)(s?)(?:\+(sentinel|cluster))?", re.IGNORECASE)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_MOST_NODES = 50
_KINDS: dict[str, Kind] = {"": "single", "sentinel": "sentinel", "cluster": "cluster"}


class AddressError(ValueError):
    """The URL of the shared state is wrong. The text is one line with the rule, and no part of the URL."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the shared state is. `nodes` are servers, Sentinels, or some nodes of a cluster, by `kind`.

    `service` is the name of the primary for Sentinels.
    """

    kind: Kind
    tls: bool
    nodes: tuple[tuple[str, int], ...]
    user: str | None = None
    service: str = ""
    database: int = 0

    def __str__(self) -> str:
        scheme = "valkeys" if self.tls else "valkey"
        kind = "" if self.kind == "single" else f"+{self.kind}"
        nodes = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.nodes)
        path = "/".join(part for part in (self.service, str(self.database or "")) if part)
        return f"{scheme}{kind}://{nodes}{'/' + path if path else ''}"


def parse(url: str) -> Address:
    """Return the address that a URL means. Raises `AddressError`."""
    scheme, separator, rest = url.strip().partition("://")
    match = _SCHEME.fullmatch(scheme)
    if not separator or match is None:
        _wrong(
            "must begin with valkey://, valkeys://, redis:// or rediss://, or with such a scheme and "
            "+sentinel or +cluster, as valkey+cluster://"
        )
    kind = _KINDS[(match[3] or "").lower()]
    if "?" in rest or "#" in rest:
        _wrong("must not have a query or fragment: every option has a setting of its own")
    authority, _, path = rest.partition("/")
    user, hosts = _user_and_hosts(authority)
    nodes = tuple(_nodes(hosts, SENTINEL_PORT if kind == "sentinel" else PORT))
    if kind == "single" and len(nodes) > 1:
        _wrong("one host only; several need valkey+sentinel:// or valkey+cluster://")
    service, database = _path(kind, [unquote(part) for part in path.split("/") if part])
    return Address(kind, bool(match[2]), nodes, user, service, database)


def _wrong(rule: str) -> NoReturn:
    raise AddressError(f"{SETTING}: {rule}")


def _user_and_hosts(authority: str) -> tuple[str | None, str]:
    credentials, separator, hosts = authority.rpartition("@")
    if not separator:
        return None, hosts
    user, separator, _ = credentials.partition(":")
    if separator or "@" in credentials:
        _wrong(
            "must not contain a password: set DIAL_GATEWAY_SHARED_STATE_PASSWORD_FILE or "
            "DIAL_GATEWAY_SHARED_STATE_PASSWORD"
        )
    if not user:
        _wrong("the user in front of @ is empty")
    return unquote(user), hosts


def _nodes(hosts: str, default_port: int) -> Iterator[tuple[str, int]]:
    parts = hosts.split(",")
    if len(parts) > _MOST_NODES:
        _wrong(f"at most {_MOST_NODES} hosts")
    for part in parts:
        match = _HOST.fullmatch(part)
        if match is None:
            _wrong("each host must be HOST, HOST:PORT or [IPV6]:PORT; special characters in a user need %XX")
        port = int(match["port"] or default_port)
        if not 1 <= port <= 65_535:
            _wrong("each port must be from 1 to 65535")
        yield match["v6"] or match["name"], port


def _path(kind: Kind, parts: list[str]) -> tuple[str, int]:
    service = ""
    if kind == "sentinel":
        if not parts:
            _wrong("needs the service's name after the Sentinels: valkey+sentinel://HOST:PORT,.../SERVICE")
        service, *parts = parts
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", service):
            _wrong("the service's name has letters, digits, '.', '_' and '-' only")
    if kind == "cluster" and parts and parts != ["0"]:
        _wrong("a cluster has database 0 only")
    if len(parts) > 1 or not all(re.fullmatch(r"[0-9]{1,5}", part) for part in parts):
        _wrong("only the number of a database may follow the host")
    return service, int(parts[0]) if parts else 0
