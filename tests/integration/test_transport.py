"""The adapter's sockets: tickets revoked at each stage of a call, and one time-out for all stages."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.connect.ticket import Ticket
from gateway.core import errors
from gateway.settings import SenderName
from tests.integration.adapters import SOON_S, SlowNames, adapter, requests
from tests.integration.upstream import Request, Upstream, accept_all, upstream_of
from tests.integration.world import until
from tests.senders import EACH_SENDER, Sender, is_idle
from tests.stopwatch import Stopwatch

Stage = Callable[..., Any]


@asynccontextmanager
async def delayed(
    stage: str, sender: SenderName, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> AsyncIterator[tuple[Sender, Upstream, Callable[[], bool], Callable[[], None]]]:
    """Delay an adapter's calls at a stage: yields a check that one is delayed, and a function that ends the
    delay.
    """
    async with upstream_of(tls=context, open_gate=stage != "handshake") as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        if stage == "name":
            names = SlowNames()
            url = f"https://connect.test:{upstream.port}"
            async with adapter(url, sender, look_up=names, **options) as connect:
                yield connect, upstream, lambda: names.asked > 0, names.found.set
                names.found.set()
        elif stage == "handshake":
            async with adapter(url, sender, **options) as connect:
                yield connect, upstream, lambda: upstream.connections > 0, upstream.gate.set
        elif stage == "proxy":
            async with _proxy(upstream.port) as (proxy_port, asked, answers):
                monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy_port}")
                async with adapter(url, sender, **options) as connect:
                    yield connect, upstream, asked.is_set, answers.set
        else:
            with _full_backlog() as (port, empty):
                async with adapter(f"https://127.0.0.1:{port}", sender, **options) as connect:
                    yield connect, upstream, lambda: True, empty


@asynccontextmanager
async def _proxy(target: int) -> AsyncIterator[tuple[int, asyncio.Event, asyncio.Event]]:
    """Run a proxy that answers CONNECT only once its `answers` event is set."""
    asked, answers = asyncio.Event(), asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while part := await source.read(65_536):
            sink.write(part)
            await sink.drain()
        sink.close()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"CONNECT ")
            asked.set()
            await answers.wait()
            back, there = await asyncio.open_connection("127.0.0.1", target)
            writers.append(there)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(carry(reader, there), carry(back, writer), return_exceptions=True)
        finally:
            for opened in writers:
                opened.transport.abort()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked, answers
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # lets the loop run the callbacks of the cut transports


@contextmanager
def _full_backlog() -> Iterator[tuple[int, Callable[[], None]]]:
    """Listen so that no further connection is established: those that fill the backlog are never accepted."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listening.getsockname())
            waiting.append(sock)
        try:
            yield listening.getsockname()[1], lambda: None
        finally:
            for sock in waiting:
                sock.close()


STAGES = ("name", "connection", "proxy", "handshake")


@pytest.mark.parametrize("stage", STAGES)
@EACH_SENDER
@pytest.mark.timed
async def test_revoked_at_each_stage(
    sender: SenderName, stage: str, authority: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call revoked before its first byte ends at once, without doubt; after the delay nothing is sent."""
    async with delayed(stage, sender, authority, monkeypatch) as (connect, upstream, is_there, end):
        ticket = Ticket()
        calling = asyncio.create_task(connect.put_dial_requests("c", requests(), ticket))
        await until(is_there)
        await asyncio.sleep(0.05)
        watch = Stopwatch()
        assert ticket.revoke() is True
        with pytest.raises(errors.CallRevoked):
            await calling
        assert watch.took_s < SOON_S
        end()
        await until(lambda: is_idle(connect))
        await asyncio.sleep(0.1)
        assert upstream.requests == []


@pytest.mark.parametrize("stage", STAGES)
@EACH_SENDER
@pytest.mark.timed
async def test_time_out_at_each_stage(
    sender: SenderName, stage: str, authority: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that times out before its first byte is certainly not sent, neither then nor later."""
    options = {"timeout_s": 0.5, "calls": 1}
    async with delayed(stage, sender, authority, monkeypatch, **options) as (connect, upstream, _, end):
        watch = Stopwatch()
        with pytest.raises(errors.ConnectUnreachable):
            await connect.put_dial_requests("c", requests())
        assert watch.took_s < 0.5 + SOON_S
        end()
        await until(lambda: is_idle(connect))
        await asyncio.sleep(0.1)
        assert upstream.requests == []


@pytest.mark.parametrize("stage", STAGES)
@EACH_SENDER
async def test_expired_at_each_stage(
    sender: SenderName, stage: str, authority: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call whose requests expire during its delay is not sent when the delay is over."""
    async with delayed(stage, sender, authority, monkeypatch) as (connect, upstream, is_there, end):
        ticket = Ticket(time.monotonic() + 0.2)
        calling = asyncio.create_task(connect.put_dial_requests("c", requests(), ticket))
        await until(is_there)
        await asyncio.sleep(0.3)
        end()
        with pytest.raises(errors.CallTooLate if stage != "connection" else errors.ConnectUnreachable):
            await calling
        assert upstream.requests == []


@pytest.mark.parametrize("stage", STAGES)
@EACH_SENDER
async def test_paused_at_each_stage(
    sender: SenderName, stage: str, authority: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call whose process was paused during its delay is not sent, although nobody has revoked it."""
    async with delayed(stage, sender, authority, monkeypatch) as (connect, upstream, is_there, end):
        was_paused = False
        ticket = Ticket(has_paused=lambda _, __: was_paused)
        calling = asyncio.create_task(connect.put_dial_requests("c", requests(), ticket))
        await until(is_there)
        was_paused = True
        end()
        with pytest.raises(errors.CallRevoked if stage != "connection" else errors.ConnectUnreachable):
            await calling
        assert upstream.requests == []


@pytest.mark.parametrize("stage", ["name", "proxy", "handshake"])
@EACH_SENDER
async def test_a_delayed_call_that_is_not_revoked(
    sender: SenderName, stage: str, authority: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delayed call that is not revoked is sent once, and its connection serves the next call."""
    async with delayed(stage, sender, authority, monkeypatch) as (connect, upstream, is_there, end):
        calling = asyncio.create_task(connect.put_dial_requests("c", requests()))
        await until(is_there)
        end()
        assert (await calling).accepted == {"t-0": "id-t-0"}
        await connect.put_dial_requests("c", requests())
        assert (upstream.tokens, upstream.connections) == (["t-0"] * 2, 1)


@EACH_SENDER
async def test_a_call_that_waits_for_a_thread(sender: SenderName) -> None:
    """A call that waits for a thread is revoked at once, and certainly not sent."""

    async def never(request: Request, writer: Any) -> None:
        await asyncio.sleep(20)

    async with (
        upstream_of(never) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender, calls=1) as connect,
    ):
        first = asyncio.create_task(connect.put_dial_requests("c", requests()))
        await until(lambda: upstream.requests)
        ticket = Ticket()
        second = asyncio.create_task(connect.put_dial_requests("c", requests(2), ticket))
        await asyncio.sleep(0.05)
        assert ticket.revoke() is True
        with pytest.raises(errors.CallRevoked):
            await second
        first.cancel()
        await asyncio.wait([first])
        await until(lambda: is_idle(connect))
        assert len(upstream.requests) == 1


@EACH_SENDER
@pytest.mark.timed
async def test_cancelling_frees_the_thread_at_once(sender: SenderName) -> None:
    """A cancelled caller leaves no thread occupied, and the next call uses the same one."""

    async def first_never(request: Request, writer: Any) -> None:
        if len(upstream.requests) == 1:
            await asyncio.sleep(20)
        await accept_all(request, writer)

    async with (
        upstream_of(first_never) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender, calls=1) as connect,
    ):
        first = asyncio.create_task(connect.put_dial_requests("c", requests()))
        await until(lambda: upstream.requests)
        first.cancel()
        await asyncio.wait([first])
        watch = Stopwatch()
        assert (await connect.put_dial_requests("c", requests())).accepted
        assert watch.took_s < SOON_S
        assert is_idle(connect)


@EACH_SENDER
@pytest.mark.timed
async def test_a_half_written_request_is_cut(sender: SenderName) -> None:
    """A hold stops a half-written request, which is in doubt; the rest never arrives."""
    async with (
        upstream_of(open_gate=False, buffer=4096) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender) as connect,
    ):
        ticket = Ticket()
        large = requests(25, attribute_bytes=600_000)
        calling = asyncio.create_task(connect.put_dial_requests("c", large, ticket))
        await until(lambda: ticket.may_have_left)
        await asyncio.sleep(0.1)
        watch = Stopwatch()
        assert ticket.revoke() is False
        with pytest.raises(errors.AnswerLost):
            await calling
        assert watch.took_s < SOON_S
        upstream.gate.set()
        await until(lambda: upstream.broken)
        assert upstream.requests == []


@EACH_SENDER
async def test_bytes_in_the_kernel_are_dropped_after_a_time_out(sender: SenderName) -> None:
    """After a time-out, bytes that still wait in the kernel do not arrive later."""
    async with (
        upstream_of(open_gate=False, buffer=4096) as upstream,
        adapter(f"http://127.0.0.1:{upstream.port}", sender, timeout_s=0.4) as connect,
    ):
        with pytest.raises(errors.AnswerLost):
            await connect.put_dial_requests("c", requests(25, attribute_bytes=20_000))
        await until(lambda: is_idle(connect))
        upstream.gate.set()
        await until(lambda: upstream.broken)
        assert upstream.requests == []


@EACH_SENDER
async def test_a_missing_ca_bundle(
    sender: SenderName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With an unreadable CA bundle each call fails before anything is sent, without doubt."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    async with upstream_of() as upstream, adapter(f"https://127.0.0.1:{upstream.port}", sender) as connect:
        with pytest.raises(errors.ConnectUnreachable):
            await connect.put_dial_requests("c", requests())
        if sender == "boto3":  # the other reads the bundle before it connects
            await upstream.connected()
