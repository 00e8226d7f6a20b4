"""Scenarios with more load than the quota allows: how much of it is used, and how fairly."""

from collections.abc import Callable

from benchmarks.quota.account import BURST, FULL, LATENCY_S, RATE, Seen, jain
from benchmarks.quota.bars import Check, Result
from benchmarks.quota.offer import Offer, Start, steady, streams
from benchmarks.world import world
from gateway.simulator import OtherCaller, Simulator

Others = Callable[[Simulator, Start], None]
CAMPAIGNS = 5
STREAMS = 4
"""Streams for each campaign."""
TIMES = 3
"""The offered load, as a multiple of the quota."""
TAKEN_FROM_S, TAKEN_TO_S = 10.0, 20.0


async def fair() -> Result:
    """Offer three times the quota to five campaigns, one with five times the backlog of the others."""
    seconds = 30.0
    simulator, start = await _saturate([5.0, 1.0, 1.0, 1.0, 1.0], seconds)
    seen = Seen(simulator, start)
    begin_s = seen.first_s()
    end_s = begin_s + seconds - 1.0
    allowed = FULL * (BURST + RATE * (end_s - begin_s))
    shares = seen.shares(begin_s, end_s)
    return Result(
        "three times the quota offered, five campaigns, one with five times the backlog",
        [
            Check("share of the quota used", shares.total() / allowed, "{:.1%}", at_least=0.99),
            Check("Jain's index of the shares", jain(list(shares.values())), "{:.4f}", at_least=0.99),
            Check("calls answered 429", seen.throttled_share(), "{:.1%}", at_most=0.01),
        ],
    )


async def ceiling() -> Result:
    """Run with a ceiling of twice the true quota."""
    seconds = 40.0
    simulator, start = await _saturate([1.0] * CAMPAIGNS, seconds, call_rate=2 * RATE)
    seen = Seen(simulator, start)
    begin_s = seen.first_s()
    end_s = begin_s + seconds - 1.0
    allowed = FULL * (BURST + RATE * (end_s - begin_s))
    return Result(
        "ceiling configured 20, true quota 10",
        [
            Check(
                "share of the quota used", seen.accepted(begin_s, end_s) / allowed, "{:.1%}", at_least=0.95
            ),
            Check("429 in the first ten seconds", seen.throttled_share(0, 10), "{:.1%}"),
            Check("429 after the first ten seconds", seen.throttled_share(10), "{:.1%}", at_most=0.05),
        ],
    )


async def shared() -> Result:
    """Let another caller take half of the quota for ten seconds."""
    seconds = 30.0

    def others(simulator: Simulator, start: Start) -> None:
        begin_at, end_at = start.wall + TAKEN_FROM_S, start.wall + TAKEN_TO_S
        simulator.connect.add_caller(OtherCaller(calls_per_s=RATE / 2, begin_at=begin_at, end_at=end_at))

    simulator, start = await _saturate([1.0] * CAMPAIGNS, seconds, others=others)
    seen = Seen(simulator, start)
    granted = simulator.connect.callers.records(start.wall + seconds)[0].granted
    span_s = TAKEN_TO_S - TAKEN_FROM_S
    left = FULL * (RATE * span_s - granted)
    back_s = seen.reached_s(0.9 * RATE * FULL, TAKEN_TO_S) - TAKEN_TO_S
    return Result(
        "another caller takes half the quota from second 10 to 20",
        [
            Check("of what is left", seen.accepted(TAKEN_FROM_S, TAKEN_TO_S) / left, "{:.1%}", at_least=0.95),
            Check("share of its calls that the other caller gets", granted / (RATE / 2 * span_s), "{:.1%}"),
            Check("429 in that time", seen.throttled_share(TAKEN_FROM_S, TAKEN_TO_S), "{:.1%}"),
            Check("back above 90% after", back_s, "{:.2f} s", at_most=5.0),
            Check("429 after that time", seen.throttled_share(TAKEN_TO_S + 1), "{:.1%}"),
        ],
    )


def backlogs(weights: list[float], seconds: float) -> list[list[Offer]]:
    """Return streams that offer a multiple of the quota, one second's load at once, split by weight."""
    offers = []
    for number, weight in enumerate(weights):
        rate = TIMES * RATE * FULL * weight / sum(weights) / STREAMS
        for one in range(STREAMS):
            name = f"campaign-{number}-{one}"
            offers.append(steady(name, f"campaign-{number}", rate, seconds, backlog=int(rate)))
    return offers


async def _saturate(
    weights: list[float], seconds: float, *, call_rate: float = RATE, others: Others | None = None
) -> tuple[Simulator, Start]:
    async with world(call_rate=call_rate, simulator_rate=RATE, latency_s=LATENCY_S) as (simulator, channel):
        start = Start()
        if others is not None:
            others(simulator, start)
        await streams(channel, backlogs(weights, seconds), start, seconds)
        return simulator, start
