"""Sends signed requests to one endpoint with aiohttp: the only part of a direct call that uses the network.

A connection is opened first (name, TCP, proxy, TLS). The ticket is checked when the connection is there,
right before the bytes of the request are written. At most `LONGEST_REPLY_BYTES` of a reply are read.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.payload import BytesPayload, Payload
from botocore.httpsession import ProxyConfiguration, create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from yarl import URL

from gateway.connect.replies import LONGEST_REPLY_BYTES
from gateway.connect.resolver import Resolver
from gateway.connect.ticket import Ticket
from gateway.connect.unsent import drop_when_closed
from gateway.core import errors

KEPT_S = 50.0
"""Seconds for which an idle connection is kept. Load balancers of AWS close theirs after a minute."""
_SKIPPED = ("Accept", "Accept-Encoding", "User-Agent")
"""Headers that aiohttp would add to each request."""


class Reply(NamedTuple):
    """A whole reply. The names of its headers are compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Attempt:
    """One attempt on the network: its ticket, and its connection while bytes are under way."""

    __slots__ = ("_transport", "ticket")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self._transport: asyncio.Transport | None = None

    async def run(self, timeout_s: float, work: Awaitable[Reply]) -> Reply:
        """Do the work within its time, or until the ticket is revoked before all bytes have left.

        Raises `CallRevoked` if nothing left, and `AnswerLost` or `ConnectUnreachable` at the end of the time.
        If the attempt does not complete, its connection is reset, so that bytes which are still here are
        dropped.
        """
        revoked, over = False, False

        def stop() -> None:
            nonlocal revoked
            revoked = True
            if not over:
                limit.reschedule(asyncio.get_running_loop().time())

        try:
            async with asyncio.timeout(timeout_s) as limit:
                self.ticket.on_revoke(stop)
                try:
                    return await work
                finally:
                    over = True
        except TimeoutError:
            if not limit.expired():
                raise
            if revoked and not self.ticket.may_have_left:
                raise errors.CallRevoked from None
            raise (errors.ConnectUnreachable() if self.ticket.revoke() else errors.AnswerLost()) from None
        finally:
            self.ticket.revoke()
            self._cut()

    def leave(self, transport: asyncio.Transport) -> None:
        """Take the right to send over a connection; raises `CallRevoked`, `CallTooLate` and `AnswerLost`."""
        if self.ticket.may_have_left:
            # aiohttp repeats a PUT whose kept connection was closed, but Connect may have the first one.
            raise errors.AnswerLost
        self.ticket.leave()
        self._transport = transport

    def written(self) -> None:
        """Note that aiohttp has written the request; it has left if nothing of it is in a buffer."""
        if self._transport is not None and not self._transport.get_write_buffer_size():
            self.ticket.all_left()

    def completed(self) -> None:
        """Note that the whole reply was read: the connection may be used again."""
        self._transport = None

    def _cut(self) -> None:
        """Reset the connection of an attempt that did not complete."""
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            drop_when_closed(sock)
        self._transport.abort()


_attempt: ContextVar[Attempt] = ContextVar("attempt")


class _Request(aiohttp.ClientRequest):
    """A request that checks its ticket when its connection is open."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        _attempt.get().leave(conn.transport)
        return await super().send(conn)

    async def write_bytes(self, *arguments: Any) -> None:
        await super().write_bytes(*arguments)
        _attempt.get().written()


class _Body(BytesPayload):
    """A body of any size. aiohttp's own class warns of more than a megabyte, which a call may have."""

    def __init__(self, content: bytes) -> None:
        Payload.__init__(self, content)
        self._size = len(content)


class HttpClient:
    """Connections to one endpoint, opened within the running event loop at the first request.

    `connect_timeout_s` bounds the steps of opening a connection. `connections` is how many there may be.
    """

    def __init__(
        self,
        endpoint_url: str,
        *,
        ca_bundle: str | None,
        resolver: Resolver,
        connect_timeout_s: float,
        connections: int,
        user_agent: str,
    ) -> None:
        self._base = endpoint_url.rstrip("/")
        self._ca_bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._connections = connections
        self._headers = {"User-Agent": user_agent}
        proxies = ProxyConfiguration(get_environ_proxies(endpoint_url))
        self._proxy_url = proxies.proxy_url_for(endpoint_url)
        self._proxy_headers = proxies.proxy_headers_for(self._proxy_url) if self._proxy_url else None
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, attempt: Attempt, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """Send a request and return the reply. Raises aiohttp's exceptions, and the ticket's.

        `path` is percent-encoded.
        """
        session = self._session or self._open()
        _attempt.set(attempt)
        response = await session.request(
            method,
            URL(self._base + path, encoded=True),
            data=_Body(body),
            headers={**self._headers, **headers},
            allow_redirects=False,
            proxy=self._proxy_url,
            proxy_headers=self._proxy_headers,
        )
        attempt.ticket.all_left()
        try:
            content = await _read(response)
        except BaseException:
            response.close()
            raise
        attempt.completed()
        return Reply(response.status, response.headers, content)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections,
            resolver=_Names(self._resolver),
            ssl=self._tls() if self._base.startswith("https:") or self._proxy_url else False,
            keepalive_timeout=KEPT_S,
            ttl_dns_cache=10,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            request_class=_Request,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIPPED,
            timeout=self._timeout,
            auto_decompress=False,
        )
        return self._session

    def _tls(self) -> ssl.SSLContext:
        context: ssl.SSLContext = create_urllib3_context()
        context.load_verify_locations(self._ca_bundle or get_cert_path(True))
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        return context


class _Names(AbstractResolver):
    """Looks names up in daemon threads: a lookup that hangs delays only the calls that need it."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raises OSError."""
        found = await asyncio.shield(asyncio.wrap_future(self._resolver.begin(host, port)))
        return [
            ResolveResult(
                hostname=host,
                host=where[0],
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, where in found
        ]

    async def close(self) -> None:
        """Do nothing: the threads end by themselves."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a reply up to the limit; raises `AnswerLost` if a success is longer."""
    parts, room = [], LONGEST_REPLY_BYTES + 1
    while room > 0 and (part := await response.content.read(room)):
        parts.append(part)
        room -= len(part)
    if room > 0:
        return b"".join(parts)
    response.close()
    if response.status < 300:
        raise errors.AnswerLost
    return b""  # an error page: its status says enough
