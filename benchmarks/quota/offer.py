"""Dial requests that are offered at given times, and their results."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from random import Random

import grpc

from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb

LIST = 100
EXPIRES_IN_S = 900


@dataclass(slots=True)
class Offer:
    """One dial request: when it is offered, in seconds from the start, and when it was accepted."""

    at_s: float
    campaign: str
    token: str
    priority: "pb.Priority.ValueType" = pb.PRIORITY_NORMAL
    accepted_s: float | None = None
    refused: str = ""

    @property
    def latency_s(self) -> float | None:
        """Seconds from the offer to the answer that it is accepted; None without such an answer."""
        return None if self.accepted_s is None else self.accepted_s - self.at_s


@dataclass(slots=True)
class Start:
    """The start of a run, on both clocks: ours, and the one of the simulator's journal."""

    wall: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)

    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.clock


def poisson(rate: float, seconds: float, campaigns: int, seed: str) -> list[Offer]:
    """Return offers of one service, at random times, each for a random campaign."""
    random = Random(seed)
    offers: list[Offer] = []
    at_s = random.expovariate(rate)
    while at_s < seconds:
        campaign = f"campaign-{random.randrange(campaigns)}"
        offers.append(Offer(at_s, campaign, f"{seed}-{len(offers)}"))
        at_s += random.expovariate(rate)
    return offers


def steady(
    name: str,
    campaign: str,
    rate: float,
    seconds: float,
    *,
    backlog: int = 0,
    priority: "pb.Priority.ValueType" = pb.PRIORITY_NORMAL,
) -> list[Offer]:
    """Return offers for one campaign: a backlog at once, then a constant number a second."""
    times = [0.0] * backlog + [number / rate for number in range(int(rate * seconds))]
    return [Offer(at_s, campaign, f"{name}-{number}", priority) for number, at_s in enumerate(times)]


async def stream(channel: grpc.aio.Channel, offers: Sequence[Offer], start: Start) -> None:
    """Offer on one stream, each at its time, and record the answers; ends after the last answer."""
    call = async_stub(channel).StreamDialRequests(_messages(offers, start))
    async for response in call:
        now_s = start.elapsed_s()
        for result in response.results:
            offer = offers[result.index]
            if result.outcome == pb.OUTCOME_ACCEPTED:
                offer.accepted_s = now_s
            else:
                offer.refused = f"{pb.Outcome.Name(result.outcome)} {pb.Reason.Name(result.reason)}"


async def streams(
    channel: grpc.aio.Channel, offers: Sequence[Sequence[Offer]], start: Start, leave_after_s: float
) -> None:
    """Run streams side by side until all are answered, or leave when the time is over."""
    tasks = [asyncio.create_task(stream(channel, one, start)) for one in offers]
    _, pending = await asyncio.wait(tasks, timeout=leave_after_s - start.elapsed_s())
    for task in pending:
        task.cancel()
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(error, Exception):
            raise error


async def _messages(offers: Sequence[Offer], start: Start) -> AsyncIterator[pb.StreamDialRequestsRequest]:
    sent = 0
    while sent < len(offers):
        await asyncio.sleep(offers[sent].at_s - start.elapsed_s())
        first, end, now_s = offers[sent], sent, start.elapsed_s()
        while end < len(offers) and end - sent < LIST and _goes_with(offers[end], first, now_s):
            end += 1
        end = max(end, sent + 1)
        yield _message(offers[sent:end])
        sent = end


def _goes_with(offer: Offer, first: Offer, now_s: float) -> bool:
    same = offer.campaign == first.campaign and offer.priority == first.priority
    return same and offer.at_s <= now_s


def _message(offers: Sequence[Offer]) -> pb.StreamDialRequestsRequest:
    request = pb.StreamDialRequestsRequest(campaign_id=offers[0].campaign, priority=offers[0].priority)
    for offer in offers:
        item = request.dial_requests.add()
        item.client_token = offer.token
        item.phone_number = "+12025550123"
        item.expiration_time.seconds = int(time.time()) + EXPIRES_IN_S
        item.attributes["first_name"] = "Ada"
    return request
