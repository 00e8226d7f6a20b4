"""An open HTTP/1.1 connection that carries one request at a time, and reads replies as untrusted input.

asyncio moves the bytes, and httptools, a binding of Node's parser llhttp, finds the parts of a reply in them.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import httptools

from gateway.connect.replies import LONGEST_REPLY_BYTES
from gateway.connect.unsent import drop_when_closed
from gateway.core import errors

HEAD_BYTES = 65_536
"""Bytes of a reply in addition to its content, at most: status, headers and the sizes of chunks."""
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""Headers that say where the content of a reply ends; without them it ends with the connection."""


class Reply(NamedTuple):
    """A whole reply. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpConnection(asyncio.Protocol):
    """A connection over a transport that is open; it takes the place of the transport's protocol.

    `closed` is called with it when the connection is lost.
    """

    def __init__(self, transport: asyncio.Transport, closed: Callable[["HttpConnection"], None]) -> None:
        self._transport = transport
        self._closed = closed
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[Reply] | None = None
        self._room = 0
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._good = True
        transport.set_protocol(self)

    def send(self, request: bytes) -> "asyncio.Future[Reply]":
        """Write a request; return the future of its reply, whose exception is `AnswerLost`."""
        self._room = LONGEST_REPLY_BYTES + HEAD_BYTES
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._reply

    @property
    def usable(self) -> bool:
        """Whether it can carry one more request now."""
        return self._good and self._reply is None

    @property
    def all_written(self) -> bool:
        """Whether every byte of the request has been handed to the system."""
        return not self._transport.get_write_buffer_size()

    def reset(self) -> None:
        """End the connection at once, and drop the bytes that have not been sent."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            drop_when_closed(sock)
        self._end()

    # --- called by the transport ------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read a part of a reply."""
        self._room -= len(data)
        if self._room < 0:
            self._refuse_long()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end()

    def eof_received(self) -> None:
        """Note that the server sends no more, which ends a reply that does not say how long it is."""
        self._good = False
        if self._status and not any(name.lower() in _FRAMING for name, _ in self._headers):
            self._complete(self._status, b"".join(self._body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        self._end()
        self._closed(self)

    # --- called by the parser ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a reply that nobody waits for."""
        if self._reply is None:
            self._end()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the status."""
        self._status = self._parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        """Take a part of the content."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Pass a reply on; one with a status of 1xx comes before the actual one."""
        if self._status < 200:
            self._status, self._headers = 0, []
        else:
            self._good = self._good and self._parser.should_keep_alive() and self.all_written
            self._complete(self._status, b"".join(self._body))

    # --- implementation ---------------------------------------------------------------------------

    def _refuse_long(self) -> None:
        """Read no more of a reply that is too long: the status of an error page says enough."""
        if self._status >= 300:
            self._complete(self._status, b"")
        self._end()

    def _complete(self, status: int, body: bytes) -> None:
        reply, self._reply = self._reply, None
        # The first of several headers with one name counts, so it is taken last.
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(self._headers)
        }
        self._status, self._headers, self._body = 0, [], []
        if reply is not None and not reply.done():
            reply.set_result(Reply(status, headers, body))

    def _end(self) -> None:
        """Close the connection at once; a reply that is not complete is lost."""
        self._good = False
        self._transport.abort()
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_exception(errors.AnswerLost())
