"""Replies that are slow, too long, compressed or cut off, read from real sockets."""

import asyncio
import gzip
from typing import Any

import pytest

from gateway.connect.port import PutReply
from gateway.connect.replies import LONGEST_REPLY_BYTES
from gateway.core import errors
from gateway.settings import SenderName
from tests.integration.adapters import SOON_S, adapter, requests
from tests.integration.upstream import Request, reply_head, upstream_of
from tests.integration.world import until
from tests.senders import EACH_SENDER, is_idle
from tests.stopwatch import Stopwatch


async def _drip(request: Request, writer: Any) -> None:
    writer.write(reply_head(1000))
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _drip_headers(request: Request, writer: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        writer.write(f"x-{number}: y\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("answer", [_drip, _drip_headers])
@EACH_SENDER
@pytest.mark.timed
async def test_a_reply_that_arrives_byte_by_byte(sender: SenderName, answer: Any) -> None:
    """A reply that arrives byte by byte ends with the call's time-out, in doubt, and frees its thread."""
    async with (
        upstream_of(answer) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender, timeout_s=0.4, calls=1) as connect,
    ):
        for _ in range(3):
            watch = Stopwatch()
            with pytest.raises(errors.AnswerLost):
                await connect.put_dial_requests("c", requests())
            assert watch.took_s < 0.4 + SOON_S
        await until(lambda: is_idle(connect))
        assert not connect.stalled


async def _huge(request: Request, writer: Any) -> None:
    writer.write(reply_head(100_000_000))
    await _flood(writer)


async def _huge_chunks(request: Request, writer: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5f5e100\r\n")
    await _flood(writer)


async def _endless_chunk_size(request: Request, writer: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _flood(writer)


async def _endless_header(request: Request, writer: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    await _flood(writer)


async def _endless_status(request: Request, writer: Any) -> None:
    await _flood(writer)


async def _huge_error(request: Request, writer: Any) -> None:
    writer.write(reply_head(100_000_000, "500 Internal Server Error"))
    await _flood(writer)


SENT = [0]


async def _flood(writer: Any) -> None:
    SENT[0] = 0
    for _ in range(1000):
        writer.write(b"0" * 100_000)
        await writer.drain()
        SENT[0] += 100_000


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (_huge, errors.AnswerLost),
        (_huge_chunks, errors.AnswerLost),
        (_endless_chunk_size, errors.AnswerLost),
        (_endless_header, errors.AnswerLost),
        (_endless_status, errors.AnswerLost),
        (_huge_error, errors.ConnectFailed),
    ],
)
@EACH_SENDER
async def test_a_reply_over_the_limit(
    sender: SenderName, answer: Any, failure: type[errors.CallFailure]
) -> None:
    """A reply of 100 MB is not read beyond the limit, whichever part is long; it is in doubt."""
    async with (
        upstream_of(answer) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender) as connect,
    ):
        with pytest.raises(errors.CallFailure) as caught:
            await connect.put_dial_requests("c", requests())
        assert type(caught.value) is failure
        assert caught.value.uncertain
        # As much as fits into the buffers of both sides.
        assert SENT[0] < 20_000_000


@EACH_SENDER
async def test_a_compressed_reply_is_not_unpacked(sender: SenderName) -> None:
    """A small reply that would unpack to 100 MB is not unpacked, because no sender requests compression."""

    async def bomb(request: Request, writer: Any) -> None:
        body = gzip.compress(b"0" * 100_000_000)
        assert len(body) < LONGEST_REPLY_BYTES
        writer.write(reply_head(len(body), more="Content-Encoding: gzip\r\n") + body)

    async with (
        upstream_of(bomb) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender) as connect,
    ):
        (result,) = await asyncio.gather(connect.put_dial_requests("c", requests()), return_exceptions=True)
        in_doubt = isinstance(result, PutReply) and (result.accepted, result.failed) == ({}, {})
        assert in_doubt or (isinstance(result, errors.CallFailure) and result.uncertain)


@EACH_SENDER
async def test_a_truncated_reply(sender: SenderName) -> None:
    """A reply shorter than its Content-Length is AnswerLost."""

    async def short(request: Request, writer: Any) -> None:
        writer.write(reply_head(1000) + b'{"successfulRequests": [')
        writer.close()

    async with (
        upstream_of(short) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender) as connect,
    ):
        with pytest.raises(errors.AnswerLost):
            await connect.put_dial_requests("c", requests())


@EACH_SENDER
async def test_a_reply_of_the_longest_length(sender: SenderName) -> None:
    """A reply at the size limit is read completely, chunked or not, and its connection is kept."""

    async def long(request: Request, writer: Any) -> None:
        body = b'{"successfulRequests": [{"clientToken": "t-0", "id": "x"}]'
        body += b" " * (LONGEST_REPLY_BYTES - len(body) - 1) + b"}"
        if len(upstream.requests) == 1:
            writer.write(reply_head(len(body)) + body)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    async with upstream_of(long) as upstream, adapter(f"http://127.0.0.1:{upstream.port}", sender) as connect:
        for _ in range(3):
            assert (await connect.put_dial_requests("c", requests())).accepted == {"t-0": "x"}
        assert upstream.connections == 1
