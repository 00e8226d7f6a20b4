"""Sends the requests that botocore has signed: the only part of a call that uses the network.

botocore's own sender cannot be stopped. This one replaces it through botocore's `before-send` event, whose
handlers may return the response themselves. It uses the same pools (urllib3), proxies, CA bundle and socket
options. It checks the ticket after the connection is open (name, TCP, proxy, TLS) and right before the first
byte of the request. It reads at most `LONGEST_REPLY_BYTES` of a reply.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as foreign
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import ProxyConfiguration, create_urllib3_context, get_cert_path, mask_proxy_url
from botocore.utils import get_environ_proxies
from urllib3 import PoolManager, Retry, Timeout, proxy_from_url
from urllib3 import exceptions as raised
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gateway.connect.exchange import Exchange
from gateway.connect.replies import LONGEST_REPLY_BYTES

_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
_here = threading.local()


class ReplyTooLong(foreign.HTTPClientError):
    """A reply was longer than `LONGEST_REPLY_BYTES`, so its content is not known."""

    fmt = "The reply is too long"


@contextmanager
def using(exchange: Exchange) -> Iterator[None]:
    """Make everything that this thread sends within the block part of an exchange."""
    _here.exchange = exchange
    try:
        yield
    finally:
        _here.exchange = None
        exchange.use(None)


class Transport:
    """Sends to one endpoint, over connections that are kept. Thread-safe.

    `connect_timeout_s` bounds each step of opening a connection, `read_timeout_s` each read; cutting the
    exchange bounds the total time. `connections` is how many are kept, at most.
    """

    def __init__(
        self,
        endpoint_url: str,
        *,
        ca_bundle: str | None,
        connect_timeout_s: float,
        read_timeout_s: float,
        connections: int,
    ) -> None:
        bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
        options: dict[str, Any] = {
            "timeout": Timeout(connect=connect_timeout_s, read=read_timeout_s),
            "maxsize": connections,
            "ssl_context": create_urllib3_context(),
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": bundle or get_cert_path(True),
            "socket_options": _SOCKET_OPTIONS,
        }
        proxies = ProxyConfiguration(get_environ_proxies(endpoint_url))
        self._proxy_url: Any = proxies.proxy_url_for(endpoint_url)
        self._manager = PoolManager(**options)
        if self._proxy_url is not None:
            headers = proxies.proxy_headers_for(self._proxy_url)
            self._manager = proxy_from_url(self._proxy_url, proxy_headers=headers, **options)
        self._manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Send a request in this thread's exchange; raises botocore's exceptions, and the ticket's."""
        url = request.url
        try:
            return self._sent(request)
        except raised.SSLError as error:
            raise foreign.SSLError(endpoint_url=url, error=error) from None
        except (raised.NewConnectionError, socket.gaierror) as error:
            raise foreign.EndpointConnectionError(endpoint_url=url, error=error) from None
        except raised.ProxyError as error:
            proxy_url = mask_proxy_url(self._proxy_url)
            raise foreign.ProxyConnectionError(proxy_url=proxy_url, error=error) from None
        except raised.ConnectTimeoutError as error:
            raise foreign.ConnectTimeoutError(endpoint_url=url, error=error) from None
        except raised.ReadTimeoutError as error:
            raise foreign.ReadTimeoutError(endpoint_url=url, error=error) from None
        except raised.HTTPError as error:
            raise foreign.ConnectionClosedError(error=error, request=request, endpoint_url=url) from None

    def close(self) -> None:
        """Close the connections that are kept."""
        self._manager.clear()

    def _sent(self, request: Any) -> AWSResponse:
        pool = self._manager.connection_from_url(request.url)
        absolute = self._proxy_url is not None and request.url.startswith("http:")
        response = pool.urlopen(
            request.method,
            request.url if absolute else _target(request.url),
            body=request.body,
            headers=request.headers,
            retries=Retry(False),
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            body = _read(response)
        except BaseException:
            response.close()
            raise
        headers: Any = response.headers
        return AWSResponse(request.url, response.status, headers, _Body(body))


class _Body:
    """The part of a reply that was read, in the form that botocore needs."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """Yield the whole content."""
        yield self._content


class _CancellableConnection:
    """A connection that opens sockets through its thread's exchange, and checks the ticket."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            sock = _exchange().connect(self._dns_host, self.port, self.timeout, self.socket_options)
        except socket.gaierror as error:
            raise raised.NameResolutionError(self.host, self, error) from None
        except TimeoutError:
            raise raised.ConnectTimeoutError(self, f"no connection within {self.timeout} s") from None
        except OSError as error:
            raise raised.NewConnectionError(self, f"no connection: {error}") from None
        return sock

    def request(self: Any, method: str, url: str, *arguments: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        exchange = _exchange()
        exchange.use(_plain(self.sock))
        exchange.ticket.leave()
        super().request(method, url, *arguments, **options)  # type: ignore[misc] # of the other base
        exchange.ticket.all_left()


class _Connection(_CancellableConnection, HTTPConnection):
    """Without TLS."""


class _TlsConnection(_CancellableConnection, HTTPSConnection):
    """The same with TLS. During the handshake the ssl module owns the socket, so a duplicate of it is cut."""

    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._twin = sock.dup()
        _exchange().use(self._twin)
        return sock

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            _exchange().use(None)
            if self._twin is not None:
                self._twin.close()


class _Releasing:
    """A pool that takes a connection back only when its exchange can no longer cut it."""

    def _put_conn(self, connection: Any) -> None:
        _exchange().use(None)
        super()._put_conn(connection)  # type: ignore[misc] # of the other base


class _Pool(_Releasing, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(_Releasing, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _exchange() -> Exchange:
    exchange: Exchange = _here.exchange
    return exchange


def _plain(sock: Any) -> socket.socket:
    """Return the real socket below TLS within TLS, whose object is not a socket."""
    return sock if isinstance(sock, socket.socket) else _plain(sock.socket)


def _target(url: str) -> str:
    """Return the path and query of a URL."""
    path = url.split("://", 1)[1].partition("/")[2]
    return f"/{path}"


def _read(response: Any) -> bytes:
    """Read a reply up to the limit; raises `ReplyTooLong`."""
    parts, room = [], LONGEST_REPLY_BYTES + 1
    while room > 0 and (part := response.read(room)):
        parts.append(part)
        room -= len(part)
    if room > 0:
        return b"".join(parts)
    if response.status < 300:
        raise ReplyTooLong
    response.close()
    return b""  # an error page: its status says enough


__all__ = ["ReplyTooLong", "Transport", "using"]
