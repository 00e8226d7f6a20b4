"""Any of the proxies whose configurations are published, in front of gateways."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio

from benchmarks.stub import async_stub
from dialgateway.retry import RECONNECT_STATUSES
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.faults import pinned_proxies, proxies
from tests.faults.certificates import Certificates
from tests.faults.pinned_proxies import PinnedProxy, proxied_by
from tests.faults.proxies import Proxy, Upstream, proxied

NAMES = (*proxies.PROXIES, *pinned_proxies.FILES)
NO_IDENTITIES = ("traefik",)
"""Proxies that do not tell the gateway who a caller is."""
READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BEGINS_S = 20.0


def absent(name: str) -> str:
    """Return why a proxy cannot be run on this machine, or an empty string."""
    return proxies.absent(name) if name in proxies.PROXIES else pinned_proxies.absent(name)


@asynccontextmanager
async def proxy_before(
    name: str, folder: Path, upstreams: Sequence[Upstream], certificates: Certificates | None = None
) -> AsyncIterator[Proxy | PinnedProxy]:
    """Run a proxy in front of gateways; its callers use mutual TLS if it has certificates."""
    if name in proxies.PROXIES:
        async with proxied(name, folder, upstreams, certificates=certificates) as proxy:
            yield proxy
    else:
        async with proxied_by(name, folder, *upstreams, certificates=certificates) as pinned:
            yield pinned


@asynccontextmanager
async def always_ready() -> AsyncIterator[int]:
    """Report on a port of its own that a gateway is ready, whether it is or not."""

    async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(READY)
        writer.close()

    async with await asyncio.start_server(ready, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def first_call(channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]] = ()) -> None:
    """Make a call as soon as a proxy passes it on: some load their routes after their start."""
    async with asyncio.timeout(BEGINS_S):
        while True:
            try:
                await async_stub(channel).PutDialRequests(
                    pb.PutDialRequestsRequest(), metadata=metadata, timeout=BEGINS_S, wait_for_ready=True
                )
            except grpc.aio.AioRpcError as error:
                if error.code() not in {*RECONNECT_STATUSES, grpc.StatusCode.UNIMPLEMENTED}:
                    raise
                await asyncio.sleep(0.05)
            else:
                return
