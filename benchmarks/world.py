"""A gateway and a simulated Connect in this process, for benchmarks that do not measure speed."""

import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import cast

import grpc

from gateway.app import Gateway
from gateway.cli.serve import SIMULATOR_KEYS, connect_for
from gateway.connect.credentials import AccessKeys
from gateway.connect.port import ConnectPort, PutReply
from gateway.connect.ticket import Ticket
from gateway.core.model import DialRequest
from gateway.runtime.memory import configure_collector
from gateway.settings import Settings
from gateway.simulator import Simulator, SimulatorSettings
from gateway.telemetry import telemetry_with


class Timed:
    """Connect's port, with the seconds that each call took."""

    def __init__(self, port: ConnectPort, calls_s: list[float]) -> None:
        self._port = port
        self._calls_s = calls_s

    def __getattr__(self, name: str) -> object:
        return getattr(self._port, name)

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Make the call."""
        began = time.perf_counter()
        try:
            return await self._port.put_dial_requests(campaign_id, requests, ticket)
        finally:
            self._calls_s.append(time.perf_counter() - began)


@asynccontextmanager
async def world(
    *, call_rate: float, simulator_rate: float, latency_s: float = 0.0, calls_s: list[float] | None = None
) -> AsyncIterator[tuple[Simulator, grpc.aio.Channel]]:
    """Yield the simulator and a channel to the gateway in front of it.

    The seconds that each call takes are added to `calls_s`.
    """
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", call_rate=call_rate)
    async with Simulator(SimulatorSettings(call_rate=simulator_rate, latency_s=latency_s)) as simulator:
        connect = connect_for(settings, simulator.url, AccessKeys.fixed(*SIMULATOR_KEYS))
        if calls_s is not None:
            connect = cast("ConnectPort", Timed(connect, calls_s))
        gateway = Gateway(settings, connect, telemetry_with())
        port = await gateway.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            with collector_as_served():
                yield simulator, channel
        await gateway.stop(1.0)


@contextmanager
def collector_as_served() -> Iterator[None]:
    """Configure Python's garbage collector as `gateway.cli.process.serve` does.

    Otherwise a full collection of the objects of other benchmarks sometimes stops the loop for over a second.
    """
    before = gc.get_threshold()
    gc.collect()
    configure_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
