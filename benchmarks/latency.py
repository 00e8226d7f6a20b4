"""How long a lone dial request on an open stream waits beyond its call, compared with an earlier commit.

The simulator sets Connect's time. The time of a call is Connect's time plus the time of boto3, measured in
this process. The gateways are processes of their own and take turns, so that the machine's load affects all.
"""

import asyncio
import time
from contextlib import ExitStack
from statistics import median

import grpc.aio

from benchmarks.earlier import BEFORE, NOW, Versions, versions
from benchmarks.load import message
from benchmarks.processes import gateway
from benchmarks.quota.bars import Check, Result, show
from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.connect.boto_sender import BotoConnect
from gateway.core.model import DialRequest
from gateway.settings import Settings
from gateway.simulator import Simulator, SimulatorSettings

LATENCY_S = 0.05
SAMPLES, ROUNDS = 20, 4


def run() -> bool:
    """Measure and print; return whether the bar is met."""
    with versions() as environments:
        found = compare(environments)
    print(f"  the linger is {Settings().linger * 1e3:.0f} ms, and half of it while permits are plentiful")
    show(found)
    return not found.failed


def compare(environments: Versions) -> Result:
    """Measure every version."""
    own, through = asyncio.run(_measured(environments))
    beyond = {name: (median(samples) - median(own)) * 1e3 for name, samples in through.items()}
    checks = [Check("ms of a call by itself, median", median(own) * 1e3, "{:.1f}")]
    checks += [Check(f"ms beyond the call, median, {name}", beyond[name], "{:.1f}") for name in beyond]
    if BEFORE in beyond:
        ratio = round(beyond[NOW] / beyond[BEFORE], 2)
        checks.append(Check(f"ms beyond the call, now / {BEFORE}", ratio, "{:.2f}", at_most=1.0))
    return Result("latency of a lone dial request", checks)


async def _measured(environments: Versions) -> tuple[list[float], dict[str, list[float]]]:
    own: list[float] = []
    through: dict[str, list[float]] = {name: [] for name in environments}
    async with Simulator(SimulatorSettings(call_rate=0, latency_s=LATENCY_S)) as simulator:
        with ExitStack() as stack:
            targets = {
                name: await asyncio.to_thread(
                    stack.enter_context, gateway(simulator.url, environment, call_rate="0")
                )
                for name, environment in environments.items()
            }
            for number in range(ROUNDS):
                own += await _calls(simulator.url)
                for name, (target, _) in targets.items():
                    through[name] += await _lone_requests(target, number * SAMPLES)
    return own, through


async def _calls(url: str) -> list[float]:
    connect = BotoConnect(
        threads=1, timeout_s=5.0, endpoint_url=url, region="us-east-1", credentials=("simulator", "simulator")
    )
    samples = []
    for number in range(SAMPLES):
        request = DialRequest("own", f"own-{number}", "+12025550123", {"a": "b"}, time.time() + 600, 0)
        began = time.perf_counter()
        await connect.put_dial_requests("own", [request])
        samples.append(time.perf_counter() - began)
    await connect.close()
    return samples


async def _lone_requests(target: str, first: int) -> list[float]:
    samples = []
    async with grpc.aio.insecure_channel(target) as channel:
        call = async_stub(channel).StreamDialRequests()
        for number in range(first, first + SAMPLES):
            began = time.perf_counter()
            await call.write(message(number, 1, 1, int(time.time()) + 600))
            response = await call.read()
            assert isinstance(response, pb.StreamDialRequestsResponse)
            assert response.results[0].outcome == pb.OUTCOME_ACCEPTED
            samples.append(time.perf_counter() - began)
        await call.done_writing()
    return samples
