"""One connection to a Valkey or Redis server. This is the only file that uses the client library.

One group of commands is under way on a connection. If it is cancelled, fails or takes too long, the
connection is closed, so that its replies cannot reach a later group. Nothing is repeated here.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, cast

from valkey.asyncio.connection import Connection, DefaultParser, SSLConnection
from valkey.crc import key_slot
from valkey.exceptions import ResponseError, ValkeyError

from gateway.shared_state.commands.script_call import Argument, Reply
from gateway.shared_state.port import HandshakeFailed, SharedStateUnavailable

Command = Sequence[Argument]


Resolve = Callable[["Node"], Awaitable[Sequence[str]]]
"""Returns the addresses of a server. Raises `OSError`."""


class ServerError(NamedTuple):
    """The error with which a server replies to one command, such as `NOPERM` and the rest of its text."""

    code: str
    text: str


class Node(NamedTuple):
    """The address of a server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _Parser(DefaultParser):  # type: ignore[misc, valid-type]
    """Leaves every error reply as it is: the library would turn some into broken connections."""

    EXCEPTION_CLASSES: dict[str, Any] = {}  # noqa: RUF012 - as in the library


class _Streams(asyncio.StreamReaderProtocol):
    """Keeps the transport of its connection; None before the connection, with its handshake, is made."""

    made: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made = transport
        super().connection_made(transport)


class _TcpConnection(Connection):
    """Closes at once. The library would first send what is left, and with TLS wait for the server's close."""

    async def disconnect(self, nowait: bool = False) -> None:
        self._parser.on_disconnect()
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                self._writer.transport.abort()
        self._reader = self._writer = None


class _TlsConnection(_TcpConnection, SSLConnection):
    """Expects the certificate of the host `named`, whatever address it has."""

    named = ""

    def _connection_arguments(self) -> dict[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self.named}

    async def _connect(self) -> None:
        """Open the connection. If that is cancelled just after the handshake, close it at once as well."""
        reader = asyncio.StreamReader()
        streams = _Streams(reader)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(lambda: streams, **self._connection_arguments())
        except BaseException:
            if streams.made is not None:
                cast(asyncio.WriteTransport, streams.made).abort()
            raise
        self._reader, self._writer = reader, asyncio.StreamWriter(transport, streams, reader, loop)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def as_given(node: Node) -> Sequence[str]:
    """Leave it to the system to resolve the host name, in a thread of the event loop."""
    return [node.host]


def slot_of(key: str) -> int:
    """Return the slot of a key in a cluster."""
    return key_slot(key.encode())


class ValkeyConnection:
    """An open connection; `node` is the server, `local` the address and port of this side."""

    def __init__(self, node: Node, raw: Any) -> None:
        self.node = node
        self._raw = raw
        self._pending = False

    @classmethod
    async def open(cls, node: Node, tls: ssl.SSLContext | None, resolve: Resolve) -> "ValkeyConnection":
        """Connect, without a command. Raises `SharedStateUnavailable`; the caller limits the time."""
        try:
            addresses = await resolve(node)
        except (OSError, UnicodeError):
            raise SharedStateUnavailable(f"{node}: the host name cannot be resolved") from None
        problem = SharedStateUnavailable(f"{node}: the host name has no address")
        for address in addresses:
            try:
                return await cls._open_at(node, address, tls)
            except SharedStateUnavailable as failure:
                problem = failure
        raise problem

    @classmethod
    async def _open_at(cls, node: Node, address: str, tls: ssl.SSLContext | None) -> "ValkeyConnection":
        options: dict[str, Any] = {
            "host": address,
            "port": node.port,
            "socket_timeout": None,
            "lib_name": None,
            "lib_version": None,
            "parser_class": _Parser,
            "socket_keepalive": True,
        }
        raw: Any
        if tls is None:
            raw = _TcpConnection(**options)
        else:
            raw = _TlsConnection(**options, ssl_check_hostname=True)
            raw.named = node.host
            raw.ssl_context.context = tls  # the library would read the files again for each connection
        opened = cls(node, raw)
        try:
            await raw.connect()
        except (ValkeyError, OSError, EOFError, UnicodeError) as error:
            raise _failure(node, error) from None
        finally:
            if not raw.is_connected:
                opened.close()
        return opened

    @property
    def is_encrypted(self) -> bool:
        """Whether it uses TLS."""
        return isinstance(self._raw, _TlsConnection)

    @property
    def is_open(self) -> bool:
        """Whether commands may be sent: no other is under way, and the server has not closed it."""
        return bool(self._raw.is_connected) and not self._pending and not self._raw._reader.at_eof()

    @property
    def local(self) -> str:
        """The address of this side, as the server names it if nothing translates addresses in between."""
        name = self._raw._writer.get_extra_info("sockname") if self._raw._writer else None
        return "" if name is None else str(Node(name[0], name[1]))

    async def run(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Send commands and return the reply to each. Raises `SharedStateUnavailable`.

        Whatever interrupts it, the connection is closed then.
        """
        if not self.is_open:
            raise SharedStateUnavailable(f"{self.node}: the connection is closed")
        self._pending = True
        try:
            await self._raw.send_packed_command(self._raw.pack_commands(commands), check_health=False)
            replies = [await self._reply() for _ in commands]
        except (ValkeyError, OSError, EOFError, ValueError) as error:
            raise _failure(self.node, error) from None
        else:
            self._pending = False
            return replies
        finally:
            if self._pending:
                self.close()

    async def run_within(self, timeout_s: float, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Run commands as `run` does, and close the connection if a reply takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.run(commands)
        except TimeoutError:
            raise SharedStateUnavailable(f"{self.node}: no reply within {timeout_s:g} s") from None

    async def _reply(self) -> Reply | ServerError:
        try:
            return cast(Reply, await self._raw.read_response(disable_decoding=True))
        except ResponseError as error:
            code, _, text = str(error).partition(" ")
            return ServerError(code, text)

    def close(self) -> None:
        """Close the connection at once, also if bytes could not be sent yet."""
        self._pending = True
        self._raw._close()


def _failure(node: Node, error: BaseException) -> SharedStateUnavailable:
    kind = HandshakeFailed if isinstance(_cause(error), ssl.SSLError) else SharedStateUnavailable
    return kind(f"{node}: {_in_words(error)}")


def _cause(error: BaseException) -> BaseException:
    """Return the original error, which the library keeps as context."""
    return error.__cause__ or error.__context__ or error


def _in_words(error: BaseException) -> str:
    """Return the reason of a failed connection."""
    cause = _cause(error)
    if isinstance(cause, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {cause.reason or 'the handshake failed'}"
    if type(cause).__name__ == "gaierror":
        return "the host name cannot be resolved"
    if type(error).__name__ == "InvalidResponse":
        return "does not speak the protocol of Valkey and Redis"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return "the connection was closed"
