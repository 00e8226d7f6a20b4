"""Throughput and latency of one gateway without a shared state, compared with a version that had none."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import grpc

from benchmarks.earlier import checkout, environment_of
from benchmarks.fleet.arms import Arm
from benchmarks.fleet.cost import processor_s
from benchmarks.fleet.rows import Case, Row
from benchmarks.load import message
from benchmarks.processes import gateway, output_of, sink
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

BEFORE = "57ada88"
"""The last commit without a shared state."""
COUNT, LIST, CAMPAIGNS = 12_000, 100, 4
ROUNDS = 6
LONE = 30
TITLE = "one gateway without a shared state, compared with the version before"


def alone(other: Path | None = None) -> Case:
    """Measure this version and `other`, a checkout of an earlier one, in turns."""
    with ExitStack() as stack:
        earlier = other or stack.enter_context(checkout(BEFORE))
        if earlier is None:
            return Case(f"{TITLE}: left out, commit {BEFORE} is not in this repository", [])
        url = stack.enter_context(sink())
        gateways = [
            stack.enter_context(gateway(url, environment, call_rate="0"))
            for environment in ({}, environment_of(earlier))
        ]
        now, then = _in_turns(gateways)
    return Case(TITLE, _rows(now, then))


def _in_turns(gateways: Sequence[tuple[str, int]]) -> list[list[Sequence[float]]]:
    """Measure gateways in turns, in both orders, so that the machine's load affects all of them."""
    rounds: list[list[Sequence[float]]] = [[] for _ in gateways]
    for turn in range(ROUNDS):
        for number in sorted(range(len(gateways)), reverse=turn % 2 == 1):
            rounds[number].append(_measured(*gateways[number]))
    return rounds


def _rows(now: Sequence[Sequence[float]], then: Sequence[Sequence[float]]) -> list[Row]:
    """Compare the best rounds: other programs only make a round worse."""
    rate = max(one[0] for one in now) / max(one[0] for one in then)
    processor, lone = (
        min(one[number] for one in now) / min(one[number] for one in then) for number in (1, 2)
    )
    return [
        Row("dial requests a second, ratio", {Arm.SHARED: rate}, "{:.3f}", at_least=0.98),
        Row("processor time of a dial request, ratio", {Arm.SHARED: processor}, "{:.3f}", at_most=1.02),
        Row("latency of a lone dial request, ratio", {Arm.SHARED: lone}, "{:.3f}", at_most=1.02),
    ]


def _measured(address: str, pid: int) -> tuple[float, float, float]:
    """Return dial requests a second, processor seconds of each, and the seconds that a lone one takes."""
    began_s = processor_s(pid)
    seconds, accepted = output_of("load", address, str(COUNT), str(LIST), str(CAMPAIGNS)).split()
    assert int(accepted) == COUNT, "every dial request must be accepted"
    used_s = processor_s(pid) - began_s
    return COUNT / float(seconds), used_s / COUNT, median(_lone(address))


def _lone(address: str) -> Iterator[float]:
    with grpc.insecure_channel(address) as channel:
        stub = DialRequestServiceStub(channel)
        for number in range(LONE):
            request = message(number, 1, 1, int(time.time()) + 600)
            lone = pb.PutDialRequestsRequest(campaign_id="lone", dial_requests=request.dial_requests)
            lone.dial_requests[0].client_token = f"lone-{time.time_ns()}"
            began = time.perf_counter()
            stub.PutDialRequests(lone, timeout=10)
            yield time.perf_counter() - began
