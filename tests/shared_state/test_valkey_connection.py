"""Connections to a real server whose opening or use is cancelled release their sockets at once."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.shared_state.valkey_connection import Node, ValkeyConnection, as_given
from gateway.shared_state.valkey_state import CLOSING_TURNS
from tests.shared_state.servers import Server
from tests.shared_state.states import tls_context


class WatchedHandshake(ssl.SSLObject):
    """Calls `at_its_end` when the handshake has ended on this side."""

    at_its_end: Callable[[], object] = staticmethod(lambda: None)

    def do_handshake(self) -> None:
        """Continue the handshake."""
        super().do_handshake()
        type(self).at_its_end()


def trusting(server: Server) -> ssl.SSLContext:
    """Return the TLS settings for a server."""
    assert server.tls_folder is not None
    return tls_context(server.tls_folder)


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def turns(count: int) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    """Wait until a cancelled task has ended and its socket can be closed."""
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns(CLOSING_TURNS)


async def test_an_opening_cancelled_when_the_handshake_ends_leaves_no_socket(tls_server: Server) -> None:
    """The server is stopped then, so that it does not close its side."""
    tls = trusting(tls_server)
    tls.sslobject_class = WatchedHandshake
    before = open_files()
    opening = asyncio.create_task(ValkeyConnection.open(Node("127.0.0.1", tls_server.port), tls, as_given))
    accepted: list[bool] = []

    def cancel() -> None:
        tls_server.pause()
        accepted.append(opening.cancel())

    WatchedHandshake.at_its_end = cancel
    await cancelled(opening)
    assert accepted == [True]
    assert open_files() == before


async def test_an_opening_cancelled_before_the_handshake_ends_leaves_no_socket(tls_server: Server) -> None:
    """The server does not answer, so that the handshake does not end."""
    tls = trusting(tls_server)
    tls_server.pause()
    before = open_files()
    for after in range(15):
        opening = asyncio.create_task(
            ValkeyConnection.open(Node("127.0.0.1", tls_server.port), tls, as_given)
        )
        await turns(after)
        opening.cancel()
        await cancelled(opening)
        assert open_files() == before, after


async def test_a_cancelled_wait_for_a_reply_leaves_no_socket(tls_server: Server) -> None:
    before = open_files()
    connection = await ValkeyConnection.open(
        Node("127.0.0.1", tls_server.port), trusting(tls_server), as_given
    )
    tls_server.pause()
    await cancelled_after_a_turn(connection, b"")
    assert open_files() == before


async def test_a_cancelled_command_that_is_not_sent_leaves_no_socket(real_server: Server) -> None:
    """The command is larger than what the network holds for a server that reads nothing."""
    before = open_files()
    connection = await ValkeyConnection.open(Node("127.0.0.1", real_server.port), None, as_given)
    real_server.pause()
    await cancelled_after_a_turn(connection, bytes(64_000_000))
    assert open_files() == before


async def cancelled_after_a_turn(connection: ValkeyConnection, data: bytes) -> None:
    """Send data and cancel the wait for the reply."""
    sending = asyncio.create_task(connection.run([("ECHO", data)]))
    await turns(2)
    sending.cancel()
    await cancelled(sending)
    assert not connection.is_open
