"""Connect fails: calls fail before and after their work, answers are lost, items fail or are missing."""

import asyncio
import time
from collections.abc import Sequence

from tests.faults.bars import Check, Finding, found
from tests.faults.callers import dial_requests
from tests.faults.wire import dial_once
from tests.faults.world import Document, World, shares, world_of

SERVER_ERROR = {"kind": "exception", "code": "InternalServerException"}
USUAL_FAULTS: Sequence[Document] = [
    *shares(
        [
            (0.03, SERVER_ERROR),
            (0.03, {**SERVER_ERROR, "after_work": True}),
            (0.05, {"kind": "reset"}),
            (0.05, {"kind": "reset", "after_work": True}),
        ]
    ),
    {"kind": "item_failure", "code": "UnknownError", "probability": 0.05},
]
"""6% of calls fail with a 5xx, half of them once their work is done; 5% are reset before and 5% after their
work; 5% of the items fail."""
ALL_FAULTS: Sequence[Document] = [
    {"kind": "latency", "jitter_s": 0.2},
    {"kind": "latency", "latency_s": 2.0, "probability": 0.02},
    *shares(
        [
            (0.05, SERVER_ERROR),
            (0.05, {**SERVER_ERROR, "after_work": True}),
            (0.05, {"kind": "exception", "code": "ServiceUnavailable", "status": 503}),
            (0.05, {"kind": "exception", "code": "ConflictException"}),
            (0.03, {"kind": "exception", "code": "ThrottlingException"}),
            (0.05, {"kind": "reset"}),
            (0.05, {"kind": "reset", "after_work": True}),
            (0.02, {"kind": "no_answer"}),
            (0.02, {"kind": "no_answer", "after_work": True}),
        ]
    ),
    {"kind": "item_failure", "code": "UnknownError", "probability": 0.05},
    {"kind": "item_failure", "code": "RequestThrottled", "probability": 0.0005},
    {"kind": "item_failure", "code": "InvalidInput", "probability": 0.01},
    {"kind": "item_missing", "probability": 0.05},
    {"kind": "item_missing", "after_work": True, "probability": 0.05},
    {"kind": "item_in_both", "code": "UnknownError", "probability": 0.05},
]
"""Every fault at once, far worse than Connect is: answers later than the time-out, hangs, missing items."""

STREAMS = 8


async def unreliable(requests: int = 100_000, seed: int = 0, accepted_percent: float = 99.9) -> Finding:
    """Dial through an unreliable Connect; the caller never sends a request twice."""
    async with world_of(seed=seed) as world:
        took = await _dial(world, requests, USUAL_FAULTS)
        title = f"{requests:,} requests, 6% 5xx, 5% resets before, 5% resets after, 5% item failures"
        return found(title, world.verdict(), took, accepted_percent=accepted_percent)


async def hostile(requests: int = 20_000, seed: int = 0) -> Finding:
    """Dial through a Connect with all faults: every answer is still true.

    Only two attempts are allowed, so that many requests are given up: NOT_ACCEPTED and UNKNOWN could be
    untrue.
    """
    async with world_of(seed=seed, settings={"call_timeout": "1", "max_attempts": "2"}) as world:
        took = await _dial(world, requests, ALL_FAULTS)
        return found(f"{requests:,} requests, everything wrong at once", world.verdict(), took)


async def _dial(world: World, requests: int, faults: Sequence[Document]) -> Check:
    await world.faults(faults)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(STREAMS):
            some = dial_requests(requests // STREAMS, f"t{number}", expires_in_s=900)
            group.create_task(dial_once(world.target, f"campaign-{number % 4}", some, world.recorder))
    return Check("seconds", time.monotonic() - began, "{:.1f}")
