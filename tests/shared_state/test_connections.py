"""Connections to a server that is away are made again, whatever an attempt meets."""

import asyncio
from contextlib import closing, suppress

from gateway.shared_state.connections import Connections
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.valkey_connection import Node, ValkeyConnection, as_given
from tests.integration.world import until
from tests.shared_state.servers import Server

BACK_S = 10.0
"""Seconds in which the connection must be back; usually it takes 0.1."""


async def test_an_attempt_to_connect_that_meets_a_bug_is_followed_by_others(real_server: Server) -> None:
    """A reply that no parser expects may raise anything, and must not end the connecting for good."""
    bugs = [RecursionError()]

    async def open_one() -> ValkeyConnection:
        if bugs:
            raise bugs.pop()
        return await ValkeyConnection.open(Node("127.0.0.1", real_server.port), None, as_given)

    with closing(Connections(open_one, 0.5)) as connections:
        connections.start()
        await until(lambda: not bugs)
        connections.lost(SharedStateUnavailable("the server has gone"))
        async with asyncio.timeout(BACK_S):
            while connections.problem is not None:
                with suppress(SharedStateUnavailable):
                    await connections.run([("PING",)])
                await asyncio.sleep(0.02)
        assert await connections.run([("PING",)]) == [b"PONG"]
