"""The proxy of the tests causes exactly the faults that it is asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import valkey
from valkey.asyncio import Valkey

from tests.shared_state.lossy_proxy import LossyProxy, lossy_proxy_to
from tests.shared_state.servers import Server

TIMEOUT_S = 1.0


@asynccontextmanager
async def client_through(server: Server) -> AsyncIterator[tuple[LossyProxy, Valkey]]:
    """Connect to a server through a proxy."""
    async with lossy_proxy_to(server.port) as proxy:
        client: Valkey = Valkey(port=proxy.port, decode_responses=True, socket_timeout=TIMEOUT_S)
        try:
            assert await client.ping()
            yield proxy, client
        finally:
            await client.aclose()


async def test_a_lost_reply(real_server: Server) -> None:
    """A command whose reply is lost times out, and was carried out."""
    async with client_through(real_server) as (proxy, client):
        proxy.lose_replies = True
        with pytest.raises(valkey.TimeoutError):
            await client.set("a", "1")
        assert real_server.command("GET", "a") == "1"
        proxy.heal()
        assert await client.get("a") == "1"


async def test_a_swallowed_request(real_server: Server) -> None:
    """A swallowed command times out, and was not carried out."""
    async with client_through(real_server) as (proxy, client):
        proxy.swallow_requests = True
        with pytest.raises(valkey.TimeoutError):
            await client.set("a", "1")
        assert real_server.command("GET", "a") is None
        assert proxy.dropped_bytes > 0


async def test_a_partition(real_server: Server) -> None:
    """In a partition commands on old and new connections time out; it is over once healed."""
    async with client_through(real_server) as (proxy, client):
        proxy.partitioned = True
        for _ in range(2):
            with pytest.raises(valkey.TimeoutError):
                await client.set("a", "1")
        proxy.heal()
        assert await client.get("a") is None


async def test_cut_and_refused(real_server: Server) -> None:
    """A cut ends the connection with an error; while connections are refused there is no other."""
    async with client_through(real_server) as (proxy, client):
        proxy.refuse = True
        proxy.cut()
        with pytest.raises(valkey.ConnectionError):
            await client.get("a")
        proxy.heal()
        assert await client.get("a") is None


@pytest.mark.timed
async def test_delays(real_server: Server) -> None:
    """Requests and replies are late by what was asked for."""
    async with client_through(real_server) as (proxy, client):
        proxy.request_delay_s, proxy.reply_delay_s = 0.05, 0.07
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.get("a")
        assert 0.12 <= loop.time() - began < TIMEOUT_S
