"""Sends signed requests to one endpoint: the only part of a direct call that uses the network.

aiohttp opens connections (name, TCP, proxy, TLS). Requests and replies go over them in `http_connection.py`,
since aiohttp's own client takes three times as long for each. The ticket is checked when the connection is
there, right before the bytes of the request are written.
"""

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from botocore.httpsession import ProxyConfiguration, create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from yarl import URL

from gateway.connect.http_connection import HttpConnection, Reply
from gateway.connect.resolver import Resolver
from gateway.connect.ticket import Ticket

KEPT_S = 50.0
"""Seconds for which an idle connection is kept. Load balancers of AWS close theirs after a minute."""


class HttpClient:
    """Connections to one endpoint, opened within the running event loop at the first request.

    `connect_timeout_s` bounds the steps of opening a connection. `connections` is how many there may be, and
    `kept_s` for how long an idle one is kept.
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
        kept_s: float = KEPT_S,
    ) -> None:
        self._url = URL(endpoint_url.rstrip("/"))
        self._ca_bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        proxies = ProxyConfiguration(get_environ_proxies(endpoint_url))
        proxy_url = proxies.proxy_url_for(endpoint_url)
        self._proxy = URL(proxy_url) if proxy_url else None
        self._proxy_headers: dict[str, str] = proxies.proxy_headers_for(proxy_url) if proxy_url else {}
        self._secure = self._url.scheme == "https"
        self._before_path = self._url.raw_path.rstrip("/")
        self._fixed_headers = f"User-Agent: {user_agent}\r\n"
        if self._proxy is not None and not self._secure:
            # The proxy reads the request itself, and needs the whole address.
            self._before_path = str(self._url).rstrip("/")
            self._fixed_headers += _lines(self._proxy_headers)
        self._connector: aiohttp.TCPConnector | None = None
        self._kept_s = kept_s
        self._limit = asyncio.Semaphore(connections)
        self._open: dict[HttpConnection, Connection] = {}
        self._idle: deque[tuple[float, HttpConnection]] = deque()  # the last used one at the end

    async def send(
        self, ticket: Ticket, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """Send a request and return the reply.

        `path` is percent-encoded. Raises `CallRevoked` and `CallTooLate` if the ticket does not allow it any
        more, `AnswerLost` without a whole reply, and aiohttp's exceptions if no connection can be opened. If
        this is cancelled, bytes that have not left are dropped.
        """
        head = f"{method} {self._before_path}{path} HTTP/1.1\r\n{self._fixed_headers}{_lines(headers)}"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        async with self._limit:
            connection = self._take_idle() or await self._connect()
            try:
                ticket.leave()
                reply = connection.send(request)
                if connection.all_written:
                    ticket.all_left()
                received = await reply
                ticket.all_left()
            finally:
                self._put_back(connection)
        return received

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.reset()
            self._forget(connection)
        if self._connector is not None:
            await self._connector.close()

    def _take_idle(self) -> HttpConnection | None:
        """Return the most recently used idle connection, if any. Close those that were idle too long."""
        expired_at = asyncio.get_running_loop().time() - self._kept_s
        while self._idle and self._idle[0][0] < expired_at:
            self._idle.popleft()[1].reset()
        while self._idle:
            connection = self._idle.pop()[1]
            if connection.usable:  # the server has not closed it
                return connection
        return None

    def _put_back(self, connection: HttpConnection) -> None:
        """Keep a connection for the next request, or reset it if this one has not completed."""
        if connection.usable:
            self._idle.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.reset()

    async def _connect(self) -> HttpConnection:
        """Open a connection. Raises aiohttp's exceptions."""
        if self._connector is None:
            self._connector = self._made_connector()
        request = aiohttp.ClientRequest(
            "PUT",
            self._url,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            loop=asyncio.get_running_loop(),
        )
        opened = await self._connector.connect(request, [], self._timeout)
        if opened.transport is None:
            opened.close()
            raise aiohttp.ServerDisconnectedError
        connection = HttpConnection(opened.transport, self._forget)
        self._open[connection] = opened
        return connection

    def _forget(self, connection: HttpConnection) -> None:
        """Note that a connection is closed."""
        opened = self._open.pop(connection, None)
        if opened is not None:
            opened.close()

    def _made_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=0,
            resolver=_Names(self._resolver),
            ssl=self._tls() if self._secure or self._proxy is not None else False,
            ttl_dns_cache=10,
        )

    def _tls(self) -> ssl.SSLContext:
        context: ssl.SSLContext = create_urllib3_context()
        context.load_verify_locations(self._ca_bundle or get_cert_path(True))
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        return context


def _lines(headers: Mapping[str, str]) -> str:
    """Return headers as lines of a request. Their values must have no control characters."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


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
