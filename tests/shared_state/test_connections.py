"""Connections to a server that is away are made again, whatever an attempt meets."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import cast

import pytest

from gateway.shared_state.commands.script_call import Reply
from gateway.shared_state.connections import Connections
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.presence import Presence
from gateway.shared_state.server import ServerAccess
from gateway.shared_state.valkey_connection import Command, Node, ServerError, ValkeyConnection, as_given
from tests.integration.world import until
from tests.shared_state.servers import Server
from tests.shared_state.states import state_at

SECRET = "+12065550123"

BACK_S = 10.0
"""Seconds in which the connection must be back; usually it takes 0.1."""


async def test_an_attempt_to_connect_that_meets_a_bug_is_followed_by_others(
    real_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A reply that no parser expects may raise anything, and must not end the connecting for good.

    Nobody has to ask for another attempt.
    """
    bugs: list[Exception] = [RecursionError(), KeyError(SECRET)]
    connected = asyncio.Event()

    async def open_one() -> ValkeyConnection:
        if bugs:
            raise bugs.pop()
        return await ValkeyConnection.open(Node("127.0.0.1", real_server.port), None, as_given)

    with closing(Connections(open_one, 0.5, returned=connected.set)) as connections:
        connections.lost(SharedStateUnavailable("the server has gone"))
        async with asyncio.timeout(BACK_S):
            await connected.wait()
        assert not bugs
        assert await connections.run([("PING",)]) == [b"PONG"]
    assert caplog.text.count("connecting to the shared state met a bug") == 2
    assert SECRET not in caplog.text


async def test_a_replica_shows_that_it_lives_also_after_a_bug(real_server: Server) -> None:
    """Otherwise the others would never learn of its end, and would reserve its part of the quota."""
    attempts: Counter[object] = Counter()  # by task: each has its own work

    async def resolve(node: Node) -> list[str]:
        task = asyncio.current_task()
        attempts[task] += 1
        if attempts[task] <= 2:
            raise ZeroDivisionError
        return [node.host]

    def is_shown() -> bool:
        return "name=dial-gateway:m-1@127.0.0.1:" in str(real_server.command("CLIENT", "LIST"))

    async with state_at(real_server.url, access=ServerAccess(resolve=resolve)):
        await until(is_shown)


async def test_a_connection_that_shows_life_is_replaced_if_it_cannot_be_pinged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opened = 0
    second = asyncio.Event()

    class BrokenPings:
        """A connection that meets a bug when it is pinged."""

        is_open, local = True, "127.0.0.1:1"

        async def run_within(self, _: float, __: Sequence[Command]) -> list[bytes]:
            return [b"OK"]

        async def run(self, _: Sequence[Command]) -> list[bytes]:
            raise ZeroDivisionError

        def close(self) -> None:
            pass

    async def open_one() -> ValkeyConnection:
        nonlocal opened
        opened += 1
        if opened == 2:
            second.set()
        return cast("ValkeyConnection", BrokenPings())

    async def run(_: Sequence[Command]) -> list[Reply | ServerError]:
        return []

    keeping = asyncio.create_task(Presence(open_one, run, "p:", "m-1", ping_every_s=0.0).keep())
    async with asyncio.timeout(BACK_S):
        await second.wait()
    keeping.cancel()
    await asyncio.wait([keeping])
    assert "a ping of the shared state met a bug" in caplog.text
