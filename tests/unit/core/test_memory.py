"""The counted memory is within a tenth of what Python has allocated, for each kind of load."""

import gc
import random
import tracemalloc
from dataclasses import dataclass

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire import dial_requests
from gateway.core.engine import Engine, Limits
from gateway.core.model import BATCH_BYTES, DialRequest, Source, Waiter
from tests.unit.core.making import NOW, Bench, Caller, dial, tokens_of

LARGEST_ERROR = 0.1


@dataclass(frozen=True)
class Shape:
    """A load: `each` requests per source and campaign, sent `times` times by different sources."""

    campaigns: int = 1
    sources: int = 1
    each: int = 1
    attributes: int = 0
    size: int = 0
    times: int = 1


SHAPES = {
    "one campaign": Shape(each=2_500),
    "campaigns with one request each": Shape(campaigns=1_250),
    "sources with one request each": Shape(campaigns=4, sources=250),
    "sources in each of many campaigns": Shape(campaigns=60, sources=20),
    "a few requests of everything": Shape(campaigns=25, sources=10, each=10),
    "some attributes": Shape(each=1_250, attributes=5, size=100),
    "large attributes": Shape(each=500, attributes=1, size=32_000),
    "joins": Shape(sources=4, each=625, times=4),
    "joins with attributes": Shape(sources=4, each=250, times=4, attributes=2, size=1_000),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_count_of_memory_is_true(name: str) -> None:
    shape = SHAPES[name]
    engine = Engine(Limits(forecast=False, queue_limit=10**9, queue_bytes=10**12), random.Random(1))
    sources = [Source(caller=f"caller-{number % 8}") for number in range(shape.sources)]
    kept: list[dict[int, DialRequest]] = [{} for _ in sources]  # as a session keeps what is unanswered
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for campaign in range(shape.campaigns):
            for number, source in enumerate(sources):
                _send(engine, shape, f"campaign-{campaign:020d}", number, source, kept[number])
        gc.collect()
        real = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert engine.outstanding == shape.campaigns * shape.sources * shape.each
    assert engine.outstanding_bytes == pytest.approx(real, rel=LARGEST_ERROR)


def _send(
    engine: Engine, shape: Shape, campaign: str, number: int, source: Source, kept: dict[int, DialRequest]
) -> None:
    first = 0 if shape.times > 1 else number * shape.each
    for begin in range(0, shape.each, 100):
        arrivals = []
        for token in range(first + begin, first + min(begin + 100, shape.each)):
            index = len(kept)
            kept[index] = dial_requests.dial_request(campaign, _message(shape, token))
            arrivals.append((Waiter(source, index, f"{number:032d}"), kept[index]))
        engine.submit(NOW, arrivals)
        assert engine.take_answers(NOW) == []
        for waiter, _ in arrivals:
            kept[waiter.index] = source.pending[waiter.index].request


def _message(shape: Shape, token: int) -> pb.DialRequest:
    message = pb.DialRequest(client_token=f"reminder-{token:012d}", phone_number="+12065550100")
    message.expiration_time.seconds = 2_000_000_000 + token
    for number in range(shape.attributes):
        message.attributes[f"attribute-{number}"] = "x" * shape.size
    return message


def test_all_that_is_counted_is_given_back() -> None:
    """Campaigns, queues, joins and the bodies of calls count for nothing once all is answered."""
    bench, callers = Bench(linger_s=0.0), [Caller() for _ in range(3)]
    for caller in callers:
        for campaign in ("a", "b", "c"):
            bench.send(NOW, caller, dial("token", campaign, size=1_000))
    assert bench.engine.outstanding_bytes > 3_000
    while (decision := bench.poll(NOW)).batches:
        assert bench.engine.outstanding_bytes > 3_000
        for batch in decision.batches:
            bench.complete(NOW, batch)
    assert bench.engine.outstanding_bytes == bench.engine.outstanding == 0


def test_a_call_carries_no_more_than_its_bytes() -> None:
    """Large requests go in several calls, each within the bound, in the order of their expiries."""
    bench, caller = Bench(linger_s=0.0, call_rate=0.0), Caller()
    size = BATCH_BYTES // 4
    for number in range(10):
        bench.send(NOW, caller, dial(f"t{number}", size=size, expires_at=NOW + 600.0 + number))
    batches = bench.poll(NOW).batches
    assert [tokens_of(batch) for batch in batches] == [
        ["t0", "t1", "t2", "t3"],
        ["t4", "t5", "t6", "t7"],
        ["t8", "t9"],
    ]
    assert all(batch.size_bytes <= BATCH_BYTES for batch in batches)


def test_a_request_that_is_larger_than_a_call_goes_alone() -> None:
    bench, caller = Bench(linger_s=0.0, call_rate=0.0), Caller()
    for number in range(3):
        bench.send(NOW, caller, dial(f"t{number}", size=2 * BATCH_BYTES))
    assert [len(batch.entries) for batch in bench.poll(NOW).batches] == [1, 1, 1]
