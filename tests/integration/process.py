"""The gateway as a separate process: `dial-gateway serve --simulator`."""

import asyncio
import http.client
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests import preloaded
from tests.integration.world import PATIENCE_S, Caller, stub_of, until

if TYPE_CHECKING:
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceAsyncStub

_SERVING = re.compile(r"serving gRPC on \S+:(\d+), calling http://(\S+)")
_ADMIN = re.compile(r"health and metrics on http://\S+:(\d+)")
NO_LIMIT = ("--simulator-rate", "0")


@dataclass
class Served:
    """A gateway process, its output so far, and a channel to it."""

    process: preloaded.Process
    channel: grpc.aio.Channel | None = None
    simulator: str = ""
    port: int = 0
    admin_port: int = 0
    said: bytearray = field(default_factory=bytearray)

    @property
    def stub(self) -> "DialRequestServiceAsyncStub":
        """The generated stub."""
        assert self.channel is not None
        return stub_of(self.channel)

    def stream(self, **options: Any) -> Caller:
        """Open a stream."""
        return Caller(self.stub.StreamDialRequests(**options))

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        """Wait for its end and return the exit code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def health(self) -> int:
        """Call its health service."""
        assert self.channel is not None
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        return int((await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)).status)

    async def control(self, method: str, path: str, document: object = None) -> Any:
        """Send a request to the control endpoint of its simulator."""
        return await asyncio.to_thread(self._control, method, path, document)

    def _control(self, method: str, path: str, document: object) -> Any:
        connection = http.client.HTTPConnection(self.simulator, timeout=10)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"/_control/{path}", body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    async def calls(self) -> list[dict[str, Any]]:
        """Return the calls for dial requests that its simulator has received."""
        calls: list[dict[str, Any]] = (await self.control("GET", "journal"))["calls"]
        return calls

    async def called(self, count: int) -> None:
        """Wait until its simulator has received `count` calls."""
        async with asyncio.timeout(PATIENCE_S):
            while len(await self.calls()) < count:  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.01)

    async def listen(self) -> None:
        """Read its output until it ends."""
        await asyncio.gather(self._keep(self.process.stdout), self._keep(self.process.stderr))

    async def _keep(self, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (part := await stream.read(65_536)):
            self.said += part

    async def started(self) -> None:
        """Wait until it serves."""
        await until(lambda: self._admin() or self.process.returncode is not None)
        found, admin = self._address(), self._admin()
        assert found, self.said.decode()
        assert admin, self.said.decode()
        self.port, self.simulator, self.admin_port = int(found[1]), found[2], int(admin[1])
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")

    def _admin(self) -> re.Match[str] | None:
        return _ADMIN.search(self.said.decode(errors="replace"))

    def _address(self) -> re.Match[str] | None:
        return _SERVING.search(self.said.decode(errors="replace"))


@asynccontextmanager
async def serving(
    *arguments: str,
    environment: dict[str, str] | None = None,
    module: tuple[str, ...] = ("gateway", "serve", "--simulator"),
) -> AsyncIterator[Served]:
    """Run a gateway process until the end of the block; `environment` adds to its settings."""
    settings = {
        "DIAL_GATEWAY_LISTEN": "127.0.0.1:0",
        "DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        "DIAL_GATEWAY_CALL_RATE": "0",
        **(environment or {}),
    }
    process = await preloaded.start(
        *(*module, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **settings},
    )
    served = Served(process)
    listening = asyncio.create_task(served.listen())
    try:
        await served.started()
        yield served
    finally:
        if served.channel is not None:
            await served.channel.close()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening
