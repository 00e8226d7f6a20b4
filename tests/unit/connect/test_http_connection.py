"""One HTTP connection: which bytes are a reply, which are too many, and when it can be used again."""

import asyncio
import socket
from typing import Any

import pytest

from gateway.connect.http_connection import HEAD_BYTES, HttpConnection, Reply
from gateway.connect.replies import LONGEST_REPLY_BYTES
from gateway.core import errors

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\nX-Amzn-RequestId: r\r\n\r\n{}"


class Wire(asyncio.Transport):
    """A transport without a network: keeps what is written, up to a limit, and whether it was aborted."""

    def __init__(self, takes: int = 1 << 30) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self._takes = takes

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Accept any."""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return max(0, len(self.written) - self._takes)

    def abort(self) -> None:
        self.aborted = True


def connected(wire: Wire) -> HttpConnection:
    """Return a connection over a wire."""
    return HttpConnection(wire, lambda _: None)


async def reply_to(*parts: bytes, end: bool = False) -> tuple[Reply, HttpConnection]:
    """Send a request, and receive these parts; with `end`, the server sends no more then."""
    connection = connected(Wire())
    future = connection.send(b"PUT / HTTP/1.1\r\n\r\n")
    for part in parts:
        connection.data_received(part)
    if end:
        connection.eof_received()
        connection.connection_lost(None)
    async with asyncio.timeout(1):
        return await future, connection


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_reply_in_parts(size: int) -> None:
    """A reply is the same in one part or in many; the connection is of use again."""
    reply, connection = await reply_to(*(WHOLE[at : at + size] for at in range(0, len(WHOLE), size)))
    assert reply == Reply(200, {"content-length": "2", "x-amzn-requestid": "r"}, b"{}")
    assert connection.usable


async def test_the_content_in_chunks() -> None:
    """The chunks of a reply are put together."""
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    reply, connection = await reply_to(head + b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")
    assert (reply.body, connection.usable) == (b"abcde", True)


async def test_an_interim_reply_is_not_the_answer() -> None:
    """A reply 100 or 103 comes before the actual one, with headers of its own."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    reply, connection = await reply_to(early + WHOLE)
    assert (reply.status, "link" in reply.headers, connection.usable) == (200, False, True)


async def test_the_first_of_two_headers_counts() -> None:
    """A header that comes twice has its first value; bytes that are not ASCII do no harm."""
    reply, _ = await reply_to(OK + b"Date: first\r\nDate: \xff\r\nContent-Length: 0\r\n\r\n")
    assert reply.headers["date"] == "first"


async def test_the_end_of_the_connection_ends_the_content() -> None:
    """A reply that does not say how long it is ends with the connection, which cannot be used again."""
    reply, connection = await reply_to(b"HTTP/1.0 503 Unavailable\r\n\r\nsorry", end=True)
    assert (reply.status, reply.body, connection.usable) == (503, b"sorry", False)


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"Content-Length: 5\r\n\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_a_reply_that_is_cut_off(part: bytes) -> None:
    """A reply that says how long it is, and is shorter, is lost."""
    with pytest.raises(errors.AnswerLost):
        await reply_to(part, end=True)


@pytest.mark.parametrize(
    "part",
    [
        b"nonsense\r\n\r\n",
        OK + b"Content-Length: many\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_what_is_not_a_reply(part: bytes) -> None:
    """Bytes that are not a reply end the connection at once, and the reply is lost."""
    with pytest.raises(errors.AnswerLost):
        await reply_to(part)


@pytest.mark.parametrize("name", ["status", "header", "content", "chunk"])
async def test_a_success_that_is_too_long(name: str) -> None:
    """A reply of 200 is read up to the limit, whichever part of it is long; then it is lost."""
    begin = {
        "status": b"HTTP/1.1 200 ",
        "header": OK + b"X: ",
        "content": OK + b"Content-Length: 100000000\r\n\r\n",
        "chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n",
    }
    parts = (LONGEST_REPLY_BYTES + HEAD_BYTES) // 10_000
    wire = Wire()
    connection = connected(wire)
    future = connection.send(b"")
    connection.data_received(begin[name])
    for _ in range(parts - 1):
        connection.data_received(b"0" * 10_000)
    assert not future.done()
    for _ in range(2):
        connection.data_received(b"0" * 10_000)
    assert isinstance(future.exception(), errors.AnswerLost)
    assert wire.aborted


async def test_an_error_that_is_too_long() -> None:
    """The status of an error page that is too long is the reply."""
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n"
    reply, connection = await reply_to(head, b"x" * (LONGEST_REPLY_BYTES + HEAD_BYTES))
    assert (reply.status, reply.body, connection.usable) == (500, b"", False)


@pytest.mark.parametrize(
    "part",
    [
        OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        WHOLE + WHOLE,
        WHOLE + b"HTTP/1.1 2",
        WHOLE + b"nonsense",
    ],
)
async def test_a_connection_that_cannot_be_used_again(part: bytes) -> None:
    """The reply is passed on, but no request follows it on a connection that ends or brings more."""
    reply, connection = await reply_to(part)
    assert reply.status == 200
    assert not connection.usable


async def test_a_reply_that_nobody_waits_for() -> None:
    """Bytes that arrive between two requests end the connection: they must not answer the next one."""
    _, connection = await reply_to(WHOLE)
    assert connection.usable
    connection.data_received(WHOLE)
    assert not connection.usable


async def test_a_reply_before_the_whole_request_has_left() -> None:
    """After a reply that comes too early, the connection still has to carry the rest, so it is given up."""
    connection = connected(Wire(takes=3))
    future = connection.send(b"12345")
    assert not connection.all_written
    connection.data_received(WHOLE)
    assert (await future).status == 200
    assert not connection.usable


async def test_a_reset_drops_what_has_not_left() -> None:
    """A reset fails the reply that is waited for, and the peer gets a reset instead of an orderly end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        opened = asyncio.get_running_loop().create_connection(asyncio.Protocol, *listening.getsockname())
        transport, _ = await opened
        peer, _ = listening.accept()
    lost: list[HttpConnection] = []
    connection = HttpConnection(transport, lost.append)
    future = connection.send(b"x")
    connection.reset()
    with pytest.raises(errors.AnswerLost):
        await future
    await asyncio.sleep(0)
    assert lost == [connection]
    with peer, pytest.raises(ConnectionResetError):
        read_to_the_end(peer)


def read_to_the_end(peer: socket.socket) -> None:
    """Read until the other side ends the connection. Raises `ConnectionResetError` if that is by a reset."""
    peer.settimeout(5)
    while peer.recv(100):
        pass
