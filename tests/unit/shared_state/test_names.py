"""Host names of the shared state are resolved without the threads that the event loop lends to others."""

import asyncio
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.composition.fleet import resolving
from gateway.connect.resolver import Resolver
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.valkey_connection import Node, ValkeyConnection
from tests.pki import Authority
from tests.ports import closed_port


async def test_a_hanging_look_up_takes_one_thread_and_is_shared() -> None:
    """However often it is tried to connect, threads of the event loop stay free."""
    release, begun = threading.Event(), []

    def hang(host: str, port: int) -> list[tuple[int, int, int, tuple[str, int]]]:
        begun.append(host)
        release.wait(60.0)
        return [(2, 1, 6, ("127.0.0.1", port))]

    resolve = resolving(Resolver(hang, now=lambda: 0.0))
    for _ in range(50):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await resolve(Node("store.example.org", 6379))
    assert begun == ["store.example.org"]
    assert await asyncio.to_thread(lambda: "free") == "free"
    release.set()
    assert list(await resolve(Node("store.example.org", 6379))) == ["127.0.0.1"]


async def test_each_address_of_a_name_is_tried() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def resolve(_: Node) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]  # nothing listens on the first

    async with server:
        connection = await ValkeyConnection.open(Node("store", port), None, resolve)
        connection.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_name_that_does_not_exist_is_said() -> None:
    async def resolve(_: Node) -> Sequence[str]:
        raise OSError

    with pytest.raises(SharedStateUnavailable, match="store:6379: the host name cannot be resolved"):
        await ValkeyConnection.open(Node("store", 6379), None, resolve)


async def test_no_address_answers() -> None:
    async def resolve(_: Node) -> Sequence[str]:
        return ["127.0.0.1"]

    with closed_port() as port, pytest.raises(SharedStateUnavailable, match="refuses connections"):
        await ValkeyConnection.open(Node("store", port), None, resolve)


async def test_the_certificate_is_that_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue(dns="store.example.org").write(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trusted = ssl.create_default_context(cadata=authority.pem.decode())
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]

    async def resolve(_: Node) -> Sequence[str]:
        return ["127.0.0.1"]

    async with server:
        (await ValkeyConnection.open(Node("store.example.org", port), trusted, resolve)).close()
        with pytest.raises(SharedStateUnavailable, match="TLS: the certificate is not accepted"):
            await ValkeyConnection.open(Node("other.example.org", port), trusted, resolve)
        await asyncio.sleep(0.01)
