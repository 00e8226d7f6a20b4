"""Measures how long a lone dial request on an open stream waits, in addition to its call.

The simulator sets Connect's time. The time of a call is Connect's time plus the time of the gateway's
boto3, measured in the same process by calling the port directly.
"""

import asyncio
import time
from statistics import median

import grpc

from benchmarks.load import message
from benchmarks.stub import async_stub
from benchmarks.world import world
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.connect.boto_sender import BotoConnect
from gateway.core.model import DialRequest
from gateway.settings import Settings

LATENCY_S = 0.05
SAMPLES = 40


def run() -> None:
    """Measure and print."""
    asyncio.run(_run())


async def _run() -> None:
    async with world(call_rate=0.0, simulator_rate=0.0, latency_s=LATENCY_S) as (simulator, channel):
        own = median(await _calls(simulator.url))
        through = median(await _lone_requests(channel))
    linger = Settings().linger
    print(f"a call by itself      {own * 1e3:6.1f} ms (median of {SAMPLES})")
    print(f"a lone dial request   {through * 1e3:6.1f} ms, {(through - own) * 1e3:.1f} ms more; ", end="")
    print(f"the linger is {linger * 1e3:.0f} ms, and half of it while permits are plentiful")


async def _calls(url: str) -> list[float]:
    connect = BotoConnect(
        threads=1, timeout_s=5.0, endpoint_url=url, region="us-east-1", credentials=("simulator", "simulator")
    )
    samples = []
    for number in range(SAMPLES):
        request = DialRequest("own", f"own-{number}", "+12025550123", {"a": "b"}, time.time() + 600, 0.0, 0)
        began = time.perf_counter()
        await connect.put_dial_requests("own", [request])
        samples.append(time.perf_counter() - began)
    await connect.close()
    return samples


async def _lone_requests(channel: grpc.aio.Channel) -> list[float]:

    call = async_stub(channel).StreamDialRequests()
    samples = []
    for number in range(SAMPLES):
        began = time.perf_counter()
        await call.write(message(number, 1, 1, int(time.time()) + 600))
        response = await call.read()
        assert isinstance(response, pb.StreamDialRequestsResponse)
        assert response.results[0].outcome == pb.OUTCOME_ACCEPTED
        samples.append(time.perf_counter() - began)
    await call.done_writing()
    return samples
