"""A gateway and a simulated Connect in this process, for benchmarks that do not measure speed."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import grpc

from gateway.app import Gateway
from gateway.connect.boto_sender import BotoConnect
from gateway.runtime.memory import configure_collector
from gateway.settings import Settings
from gateway.simulator import Simulator, SimulatorSettings
from gateway.telemetry import telemetry_with


@asynccontextmanager
async def world(
    *, call_rate: float, simulator_rate: float, latency_s: float = 0.0
) -> AsyncIterator[tuple[Simulator, grpc.aio.Channel]]:
    """Yield the simulator and a channel to the gateway in front of it."""
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", call_rate=call_rate)
    async with Simulator(SimulatorSettings(call_rate=simulator_rate, latency_s=latency_s)) as simulator:
        connect = BotoConnect(
            threads=settings.max_concurrent_calls,
            timeout_s=settings.call_timeout,
            endpoint_url=simulator.url,
            region="us-east-1",
            credentials=("simulator", "simulator"),
        )
        gateway = Gateway(settings, connect, telemetry_with())
        port = await gateway.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            with collector_as_served():
                yield simulator, channel
        await gateway.stop(1.0)


@contextmanager
def collector_as_served() -> Iterator[None]:
    """Configure Python's garbage collector as `gateway.app.serve` does.

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
