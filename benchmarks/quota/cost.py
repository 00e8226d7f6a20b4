"""What the core's decisions cost: microseconds for each dial request, with few and with many campaigns."""

import cProfile
import gc
import pstats
import time
from random import Random

from benchmarks.quota.bars import Check, Result
from gateway.core.engine import Engine, Limits
from gateway.core.model import Batch, CallReport, DialRequest, Source, Waiter

STREAMS, QUEUED, CALLS = 1_000, 200_000, 8
ROUND = 25 * CALLS
ROUNDS = 100
REPEATS = 3
RATE, EXPIRES_S = 10.0, 7200.0
"""Calls a second; at this pace all that is queued is sent in time, so nothing is answered WOULD_EXPIRE."""

Arrival = tuple[Waiter, DialRequest]


def run() -> Result:
    """Measure both sizes in turns, so that both meet the same machine; the best of each counts."""
    many, few = [], []
    for _ in range(REPEATS):
        many.append(_cost_us(1_000))
        few.append(_cost_us(10))
    return Result(
        f"decision cost of the core, {STREAMS:,} streams, {QUEUED:,} queued",
        [
            Check("µs a dial request, 1,000 campaigns", min(many), "{:.1f}", at_most=10.0),
            Check("µs a dial request, 10 campaigns", min(few), "{:.1f}"),
            Check("ratio", min(many) / min(few), "{:.2f}", at_most=1.5),
        ],
    )


def profile() -> None:
    """Print where the time goes with 1,000 campaigns."""
    load = _Load(1_000)
    profiler = cProfile.Profile()
    profiler.runcall(load.rounds, ROUNDS)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def _cost_us(campaigns: int) -> float:
    load = _Load(campaigns)
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()  # as `gateway.app.serve` does it
    gc.set_threshold(50_000, 20, 50)
    try:
        load.rounds(5)
        return load.rounds(ROUNDS) / (ROUNDS * ROUND) * 1e6
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


class _Load:
    """A core that is full, and arrivals that keep it so."""

    def __init__(self, campaigns: int) -> None:
        limits = Limits(call_rate=RATE, concurrent_calls=CALLS, queue_limit=2 * QUEUED)
        self._engine = Engine(limits, Random(1))
        self._random = Random(2)
        self._campaigns = campaigns
        self._sources = [Source() for _ in range(STREAMS)]
        self._made = 0
        self._now = 0.0
        for waiter, request in self._arrivals(QUEUED):
            self._engine.submit(0.0, waiter, request)

    def rounds(self, count: int) -> float:
        """Submit, poll and complete, so many times over; return the seconds of processor time it took.

        What arrives is made in between and not counted: it is as fresh in the caches as off the wire.
        """
        spent_s = 0.0
        for _ in range(count):
            self._now += CALLS / RATE
            arrivals = self._arrivals(ROUND)
            began = time.process_time()
            self._round(arrivals)
            spent_s += time.process_time() - began
        return spent_s

    def _round(self, arrivals: list[Arrival]) -> None:
        for waiter, request in arrivals:
            self._engine.submit(self._now, waiter, request)
        batches = self._engine.poll(self._now).batches
        for batch in batches:
            self._engine.completed(self._now, batch, _report(batch))
        assert sum(len(batch.entries) for batch in batches) == ROUND, "every call must be full"

    def _arrivals(self, count: int) -> list[Arrival]:
        return [self._arrival() for _ in range(count)]

    def _arrival(self) -> Arrival:
        number, self._made = self._made, self._made + 1
        campaign = f"campaign-{self._random.randrange(self._campaigns)}"
        expires = EXPIRES_S + self._random.random()
        request = DialRequest(campaign, f"token-{number}", "+12025550123", {"a": "b"}, expires, expires, 100)
        return Waiter(self._random.choice(self._sources), number), request


def _report(batch: Batch) -> CallReport:
    accepted = {entry.request.client_token: "id" for entry in batch.entries}
    return CallReport(accepted=accepted, started_at=batch.formed_at)
