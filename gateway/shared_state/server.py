"""Opens connections to servers, and reads from INFO what a server is."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.shared_state.commands.script_call import Reply
from gateway.shared_state.port import HandshakeFailed, SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.valkey_connection import (
    Command,
    Node,
    Resolve,
    ServerError,
    ValkeyConnection,
    as_given,
)

OLDEST = 7
"""The oldest major version: 7.0 has `#!lua` scripts, and SET with NX and GET together."""
_UNAVAILABLE = frozenset(
    ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS", "BUSY")
)
_WORDS = {
    "LOADING": "the server is still loading its data",
    "READONLY": "the server is a replica, which cannot write",
    "MASTERDOWN": "the server is a replica without its primary",
    "CLUSTERDOWN": "the cluster is down",
    "TRYAGAIN": "the cluster moves keys at the moment",
    "OOM": "the server is out of memory (maxmemory), and cannot write",
    "MISCONF": "the server cannot write its data to disk, and refuses commands",
    "NOREPLICAS": "the server has too few replicas to write (min-replicas-to-write)",
    "BUSY": "the server is busy with a script",
    "MOVED": "the server is a node of a cluster: the URL must begin with valkey+cluster:// or valkeys+cluster://",
    "WRONGPASS": "the server refuses user or password",
    "NOAUTH": "the server asks for a password: set DIAL_GATEWAY_SHARED_STATE_PASSWORD_FILE",
    "WRONGTYPE": "a key under the prefix has another type: changed by hand, or by another program",
}
_NOT_PERMITTED = ("NOPERM", "ACL failure", "The user executing the script can't")
MOVED_ON = frozenset(("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"))
"""Errors after which the primary must be looked for again."""


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How to connect: user and password, database, TLS.

    `password` and `tls` are asked for each connection, since files may have been replaced. `password` raises
    `SharedStateRefused`; `tls` returns None for a connection without TLS. `resolve` finds the addresses of a
    host name.
    """

    user: str | None = None
    password: Callable[[], str | None] = field(default=lambda: None, repr=False)
    database: int = 0
    tls: Callable[[], ssl.SSLContext | None] = lambda: None
    resolve: Resolve = as_given


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says about itself. `run_id` changes at a restart, `replication` also at a promotion.

    `appends`: it writes an append-only file.
    """

    program: str
    version: str
    role: str
    replication: str
    run_id: str
    eviction: str
    loading: bool
    is_cluster: bool
    appends: bool = False

    @property
    def too_old(self) -> bool:
        """Whether it is older than the oldest version that can run the scripts."""
        major = self.version.partition(".")[0]
        return not major.isdigit() or int(major) < OLDEST


def _of_file(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__


def read_secret(path: str) -> str:
    """Return a password from a file, without the line end. Raises `SharedStateRefused`."""
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SharedStateRefused(f"cannot read the password from {path}: {_of_file(error)}") from None
    if not text:
        raise SharedStateRefused(f"the password file {path} is empty")
    return text


async def open_server(
    node: Node, access: ServerAccess, name: str, timeout_s: float
) -> tuple[ValkeyConnection, ServerFacts]:
    """Connect, log in, and read what the server is. Raises `SharedStateError` within `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            connection = await ValkeyConnection.open(node, access.tls(), access.resolve)
            try:
                return connection, await _introduce(connection, access, name)
            except BaseException:
                connection.close()
                raise
    except TimeoutError:
        raise SharedStateUnavailable(f"{node}: no reply within {timeout_s:g} s") from None


async def _introduce(connection: ValkeyConnection, access: ServerAccess, name: str) -> ServerFacts:
    commands: list[Command] = [("CLIENT", "SETNAME", name), ("INFO",)]
    if access.database:
        commands.insert(0, ("SELECT", access.database))
    if (password := access.password()) is not None:
        user = () if access.user is None else (access.user,)
        commands.insert(0, ("AUTH", *user, password))
    replies = await _first_replies(connection, commands)
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, ServerError) and command[0] != "CLIENT":  # a name is a help, not needed
            raise failure_of(connection.node, reply)
    return _facts_of(connection.node, replies[-1])


async def _first_replies(
    connection: ValkeyConnection, commands: Sequence[Command]
) -> list[Reply | ServerError]:
    """Run the first commands. Raises `HandshakeFailed` if a connection with TLS is closed instead.

    With TLS 1.3 a server refuses a certificate after the handshake has ended on this side.
    """
    try:
        return await connection.run(commands)
    except HandshakeFailed:
        raise
    except SharedStateUnavailable as failure:
        if not connection.is_encrypted:
            raise
        raise HandshakeFailed(
            f"{failure}, before the first reply: perhaps it refuses our certificate"
        ) from None


def _facts_of(node: Node, reply: Reply | ServerError) -> ServerFacts:
    if not isinstance(reply, bytes):
        raise SharedStateRefused(f"{node}: the reply to INFO is not a text")
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    info: Mapping[str, str] = {key: value.strip() for key, _, value in lines}
    program = info.get("server_name", "redis")
    return ServerFacts(
        program=program,
        version=info.get(f"{program}_version", info.get("redis_version", "")),
        role=info.get("role", ""),
        replication=info.get("master_replid", ""),
        run_id=info.get("run_id", ""),
        eviction=info.get("maxmemory_policy", ""),
        loading=info.get("loading", "0") == "1",
        is_cluster=info.get("cluster_enabled", "0") == "1",
        appends=info.get("aof_enabled", "0") == "1",
    )


def failure_of(node: Node | str, error: ServerError) -> SharedStateRefused | SharedStateUnavailable:
    """Return the error to raise for an error reply. Its text is ours, or of a code that names no data."""
    if error.code == "NOPERM" or any(words in error.text for words in _NOT_PERMITTED):
        return SharedStateRefused(f"{node}: the user lacks a permission: {_permission(error.text)}")
    if "max number of clients" in error.text:
        return SharedStateUnavailable(f"{node}: the server has as many clients as it may have (maxclients)")
    words = _WORDS.get(error.code) or f"the server replied {error.code}: {error.text[:120]}"
    kind = SharedStateUnavailable if error.code in _UNAVAILABLE else SharedStateRefused
    return kind(f"{node}: {words}")


def _permission(text: str) -> str:
    """Return what a user may not do. Servers name the command; a key is not repeated."""
    parts: Sequence[str] = text.split("'")
    if len(parts) > 2:
        return f"to run {parts[1].upper()}"
    return "to use keys under the prefix" if "key" in text else "to run a command of the scripts"
