"""The connections to Connect between two calls: kept, closed by the server, too old, and through a proxy."""

import asyncio
from typing import Any

import pytest

from gateway.connect.http_client import HttpClient
from gateway.connect.resolver import Resolver
from gateway.connect.ticket import Ticket
from gateway.core import errors
from gateway.settings import SenderName
from tests.integration.adapters import adapter, requests
from tests.integration.upstream import Request, Upstream, accept_all, upstream_of
from tests.integration.world import until
from tests.senders import EACH_SENDER


async def accept_and_close(request: Request, writer: Any) -> None:
    """Accept every dial request, and then close the connection without having said so."""
    await accept_all(request, writer)
    await writer.drain()
    writer.close()


@EACH_SENDER
async def test_the_server_closes_a_kept_connection(sender: SenderName) -> None:
    """The next call opens another connection, and succeeds."""
    async with (
        upstream_of(accept_and_close) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender, calls=1) as connect,
    ):
        for number in (1, 2):
            assert (await connect.put_dial_requests("c", requests())).accepted
            await asyncio.sleep(0.05)  # the end of the connection arrives meanwhile
            assert upstream.connections == number


@EACH_SENDER
async def test_a_request_is_never_repeated(sender: SenderName) -> None:
    """If a kept connection ends as a request arrives, the answer is lost: Connect may have the request."""

    async def second_is_dropped(request: Request, writer: Any) -> None:
        if len(upstream.requests) == 2:
            writer.close()
        else:
            await accept_all(request, writer)

    async with (
        upstream_of(second_is_dropped) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender, calls=1) as connect,
    ):
        await connect.put_dial_requests("c", requests())
        with pytest.raises(errors.AnswerLost):
            await connect.put_dial_requests("c", requests())
        assert (len(upstream.requests), upstream.connections) == (2, 1)
        assert (await connect.put_dial_requests("c", requests())).accepted


@EACH_SENDER
async def test_a_plain_proxy(sender: SenderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy without TLS gets the whole address in the request, and its own credentials."""
    async with upstream_of() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
        async with adapter("http://connect.test:8080", sender) as connect:
            assert (await connect.put_dial_requests("c", requests())).accepted
        (request,) = proxy.requests
        assert request.head.startswith("PUT http://connect.test:8080/campaigns/c/dial-requests HTTP/1.1")
        assert "proxy-authorization: basic dxnlcjpzzwnyzxq=" in request.head.lower()
        assert "host: connect.test:8080" in request.head.lower()


def client_of(upstream: Upstream, *, connections: int = 2, kept_s: float = 50.0) -> HttpClient:
    """Make an HTTP client for a server."""
    return HttpClient(
        f"http://127.0.0.1:{upstream.port}",
        ca_bundle=None,
        resolver=Resolver(),
        connect_timeout_s=1.0,
        connections=connections,
        user_agent="test",
        kept_s=kept_s,
    )


BODY = b'{"dialRequests": []}'


@pytest.mark.parametrize(("kept_s", "connections"), [(50.0, 1), (0.0, 3)])
async def test_idle_connections_are_kept_for_a_time(kept_s: float, connections: int) -> None:
    """A connection that has been idle too long is closed, and another is opened."""
    async with upstream_of() as upstream:
        client = client_of(upstream, kept_s=kept_s)
        for _ in range(3):
            assert (await client.send(Ticket(), "PUT", "/", BODY, {})).status == 200
            await asyncio.sleep(0.01)
        assert upstream.connections == connections
        await client.close()


async def test_a_request_that_may_not_leave_costs_no_connection() -> None:
    """A connection stays open for other requests if the ticket of one is revoked before its first byte."""
    async with upstream_of() as upstream:
        client = client_of(upstream)
        revoked = Ticket()
        revoked.revoke()
        with pytest.raises(errors.CallRevoked):
            await client.send(revoked, "PUT", "/", BODY, {})
        await client.send(Ticket(), "PUT", "/", BODY, {})
        assert (len(upstream.requests), upstream.connections) == (1, 1)
        await client.close()


async def test_closing_ends_requests_under_way() -> None:
    """Closing the client fails a request that waits for its reply, and leaves no connection."""

    async def never(request: Request, writer: Any) -> None:
        await asyncio.sleep(20)

    async with upstream_of(never) as upstream:
        client = client_of(upstream)
        sending = asyncio.create_task(client.send(Ticket(), "PUT", "/", BODY, {}))
        await until(lambda: upstream.requests)
        await client.close()
        with pytest.raises(errors.AnswerLost):
            await sending
