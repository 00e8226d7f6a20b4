"""The cost of the core's decisions: microseconds per dial request, with few and with many campaigns."""

import gc
import json
import time
from random import Random

from benchmarks.quota.bars import Check, Result
from gateway.connect.api_versions import APIS, expiration_for_boto3
from gateway.core.engine import Engine, Limits
from gateway.core.model import Batch, CallReport, DialRequest, Source, Waiter

STREAMS, QUEUED, CALLS = 1_000, 200_000, 8
ROUND = 25 * CALLS
ROUNDS = 100
LIST = 10
"""Dial requests in one message of a stream: all of one campaign, as the contract requires."""
REPEATS = 5
RATE, EXPIRES_S = 10.0, 7200.0
"""Calls a second; at this rate all queued requests are sent in time, so nothing is answered WOULD_EXPIRE."""

Message = list[tuple[Waiter, DialRequest]]


def run() -> Result:
    """Measure both sizes in turns, so that machine load affects both; the best of each counts."""
    many, few, lone, collector = [], [], [], []
    for _ in range(REPEATS):
        decisions_us, collector_us = _cost_us(1_000, LIST)
        many.append(decisions_us)
        collector.append(collector_us)
        few.append(_cost_us(10, LIST)[0])
        lone.append(_cost_us(1_000, 1)[0])
    return Result(
        f"decision cost of the core, {STREAMS:,} streams, {QUEUED:,} queued",
        [
            Check(f"µs a dial request, 1,000 campaigns, lists of {LIST}", min(many), "{:.1f}", at_most=10.0),
            Check("µs a dial request, 10 campaigns", min(few), "{:.1f}"),
            Check("ratio", min(many) / min(few), "{:.2f}", at_most=1.5),
            Check("µs a dial request, 1,000 campaigns, lists of one", min(lone), "{:.1f}"),
            Check("µs a dial request in Python's garbage collector, in addition", min(collector), "{:.1f}"),
        ],
    )


def _cost_us(campaigns: int, per_message: int) -> tuple[float, float]:
    """Return the cost of decisions and of the collector, as configured in `runtime/memory.py`."""
    load = _Load(campaigns, per_message)
    gc.collect()
    gc.freeze()  # as in `gateway.cli.process.serve`
    gc.disable()
    try:
        load.rounds(5)
        spent_s = load.rounds(ROUNDS)
        began = time.process_time()
        gc.collect(1)
        return spent_s / (ROUNDS * ROUND) * 1e6, (time.process_time() - began) / (ROUNDS * ROUND) * 1e6
    finally:
        gc.enable()
        gc.unfreeze()


class _Load:
    """A full core, and new requests that keep it full."""

    def __init__(self, campaigns: int, per_message: int) -> None:
        limits = Limits(call_rate=RATE, concurrent_calls=CALLS, queue_limit=2 * QUEUED)
        self._engine = Engine(limits, Random(1))
        self._random = Random(2)
        self._campaigns = campaigns
        self._per_message = per_message
        self._sources = [Source() for _ in range(STREAMS)]
        self._made = 0
        self._now = 0.0
        for message in self._messages(QUEUED):
            self._engine.submit(0.0, message)
        self._engine.take_answers(0.0)

    def rounds(self, count: int) -> float:
        """Submit, poll and complete this many times; return the processor time in seconds.

        The creation of arriving requests is not counted: they are in the caches, as after parsing. The
        adapter's work on a batch is not counted either: it reads each request and creates each answer.
        """
        return sum(self._round() for _ in range(count))

    def _round(self) -> float:
        self._now += CALLS / RATE
        messages = self._messages(ROUND)
        began = time.process_time()
        for message in messages:
            self._engine.submit(self._now, message)
        batches = self._engine.poll(self._now).batches
        decided = time.process_time()
        assert sum(len(batch.entries) for batch in batches) == ROUND, "every call must be full"
        reports = [_called(batch) for batch in batches]
        returned = time.process_time()
        for batch, report in zip(batches, reports, strict=True):
            self._engine.completed(self._now, batch, report)
        ended = time.process_time()
        self._engine.take_answers(self._now)  # counts them: a cost of delivery, which is not measured here
        return decided - began + ended - returned

    def _messages(self, count: int) -> list[Message]:
        return [self._message() for _ in range(count // self._per_message)]

    def _message(self) -> Message:
        campaign = f"campaign-{self._random.randrange(self._campaigns)}"
        source = self._random.choice(self._sources)
        return [self._arrival(source, campaign) for _ in range(self._per_message)]

    def _arrival(self, source: Source, campaign: str) -> tuple[Waiter, DialRequest]:
        number, self._made = self._made, self._made + 1
        expires = EXPIRES_S + self._random.random()
        request = DialRequest(campaign, f"token-{number}", "+12025550123", {"a": "b"}, expires, 100)
        return Waiter(source, number), request


def _called(batch: Batch) -> CallReport:
    """Read the requests as the adapter does for a call, and accept all of them."""
    requests = [entry.request for entry in batch.entries]
    items = [
        APIS["v1"].item(request, expiration_for_boto3(request), request.attributes) for request in requests
    ]
    json.dumps([item["attributes"] for item in items])
    return CallReport(accepted={item["clientToken"]: "id" for item in items}, started_at=batch.formed_at)
