"""The file of named connections: for each name the address of a gateway and its TLS files.

```toml
default = "staging"

[connections.staging]
gateway = "dial-gateway.staging.example:50051"
tls-ca = "staging-ca.pem"
```

A relative path is relative to the folder of the file.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dialgateway.dialctl.connection import Connection, Tls
from dialgateway.dialctl.errors import UnusableFile

FILE_VARIABLE = "DIALCTL_CONNECTIONS"
"""The environment variable with the file's path."""
ADDRESS = re.compile(r"[^/\s]+:[0-9]{1,5}")
"""HOST:PORT."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PATHS = ("tls-ca", "tls-cert", "tls-key")
_KEYS = ("gateway", *_PATHS, "tls-name")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class NamedConnections:
    """The connections of a file, by name. `default` is the one that is used without `--connection`."""

    path: Path
    by_name: Mapping[str, Connection]
    default: str | None = None

    def named(self, name: str) -> Connection:
        """Return a connection. Raises UnusableFile with the names that exist."""
        if (found := self.by_name.get(name)) is None:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise UnusableFile(f"--connection: {name!r} is not in {self.path}; it has: {known}")
        return found


def connections_path() -> Path:
    """Return the path in DIALCTL_CONNECTIONS, else `dialctl/connections.toml` in the user's configuration."""
    if path := os.environ.get(FILE_VARIABLE):
        return Path(path)
    configuration = os.environ.get("XDG_CONFIG_HOME")
    return Path(configuration or Path.home() / ".config") / "dialctl" / "connections.toml"


def read_connections() -> NamedConnections | None:
    """Read the file; None if there is none, unless DIALCTL_CONNECTIONS names it.

    Raises UnusableFile if it is invalid, or if another user could have written it: such a file could send
    dial requests to another gateway.
    """
    path = connections_path()
    try:
        with path.open("rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            content = tomllib.load(file)
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise UnusableFile(f"{FILE_VARIABLE}: {path}: No such file or directory") from None
        return None
    except OSError as error:
        raise UnusableFile(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableFile(f"{path}: not valid TOML: {error}") from error
    return _connections(path, content)


def _check_owner(path: Path, file: os.stat_result) -> None:
    if not hasattr(os, "geteuid"):  # Windows
        return
    if file.st_uid not in {0, os.geteuid()}:
        raise UnusableFile(f"{path}: belongs to another user")
    for place, mode in ((path, file.st_mode), (path.resolve().parent, path.resolve().parent.stat().st_mode)):
        sticky = place != path and mode & stat.S_ISVTX
        if mode & _WRITABLE_BY_OTHERS and not sticky:
            raise UnusableFile(f"{place}: others can write it; run chmod go-w")


def _connections(path: Path, content: Mapping[str, object]) -> NamedConnections:
    _refuse_unknown(path, "", content, ("default", "connections"))
    tables = content.get("connections", {})
    if not isinstance(tables, dict):
        raise UnusableFile(f"{path}: connections: expected tables, such as [connections.staging]")
    by_name = {name: _connection(path, name, table) for name, table in tables.items()}
    default = content.get("default")
    if default is not None and (not isinstance(default, str) or default not in by_name):
        raise UnusableFile(f"{path}: default: expected the name of a connection in this file")
    return NamedConnections(path, by_name, default)


def _connection(path: Path, name: str, table: object) -> Connection:
    where = f"connections.{name}"
    if _NAME.fullmatch(name) is None:
        raise UnusableFile(f"{path}: {where}: a name has letters, digits, '.', '_' and '-', 63 at most")
    if not isinstance(table, dict):
        raise UnusableFile(f"{path}: {where}: expected a table, such as [{where}]")
    _refuse_unknown(path, f"{where}.", table, _KEYS)
    for key, value in table.items():
        if not isinstance(value, str) or not value:
            raise UnusableFile(f"{path}: {where}.{key}: expected a text")
    if ADDRESS.fullmatch(table.get("gateway", "")) is None:
        raise UnusableFile(f"{path}: {where}.gateway: expected HOST:PORT, such as 127.0.0.1:50051")
    ca, cert, key = (path.parent / table[name] if name in table else None for name in _PATHS)
    tls = Tls(ca, cert, key, table.get("tls-name"))
    return Connection(table["gateway"], None if tls == Tls() else tls)


def _refuse_unknown(path: Path, where: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise UnusableFile(f"{path}: {where}{key}: unknown; expected {', '.join(known)}")
