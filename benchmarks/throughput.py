"""Dial requests a second through one gateway process, and processor time of each, compared in one run.

The peers are a script that calls boto3 in full batches from one or eight threads, and the gateway of an
earlier commit. There is no call limit, and Connect answers at once. All are measured in turns, so that the
load of the machine affects all. The ratios are those of the best rounds, since other programs only make a
round worse.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.earlier import checkout, environment_of
from benchmarks.fleet.cost import processor_s
from benchmarks.processes import gateway, output_of, sink

BEFORE = "dd07127"
"""The commit with which the gateway is compared."""
SCRIPT, LISTS, SINGLES = 25_000, 50_000, 10_000
LIST, CAMPAIGNS = 100, 4
ROUNDS = 5
THREADS = (1, 8)


class Round(NamedTuple):
    """One measurement: dial requests a second, and processor microseconds of each."""

    rate: float
    processor_us: float = 0.0


def run() -> None:
    """Measure and print."""
    rounds: dict[str, list[Round]] = {}
    with ExitStack() as stack:
        url = stack.enter_context(sink())
        gateways = {"now": stack.enter_context(gateway(url, call_rate="0"))}
        gateways["now, sender boto3"] = stack.enter_context(gateway(url, call_rate="0", sender="boto3"))
        earlier = stack.enter_context(checkout(BEFORE))
        if earlier is not None:
            gateways[BEFORE] = stack.enter_context(gateway(url, environment_of(earlier), call_rate="0"))
        for _ in range(ROUNDS):
            for name, measured in _measured(url, gateways):
                rounds.setdefault(name, []).append(measured)
    for name, measurements in rounds.items():
        print(f"{name:45} {_summary(measurements)}")
    _print_ratios(rounds)


def _measured(url: str, gateways: dict[str, tuple[str, int]]) -> Iterator[tuple[str, Round]]:
    """Measure everything once."""
    for threads in THREADS:
        rate = float(output_of("direct", str(SCRIPT), str(threads), endpoint=url))
        yield f"boto3 in a script, {threads} threads", Round(rate)
    for name, (address, pid) in gateways.items():
        yield f"lists of {LIST}, {name}", _through(address, pid, LISTS, LIST)
        yield f"lists of 1, {name}", _through(address, pid, SINGLES, 1)


def _through(address: str, pid: int, count: int, size: int) -> Round:
    began_s = processor_s(pid)
    seconds, accepted = output_of("load", address, str(count), str(size), str(CAMPAIGNS)).split()
    assert int(accepted) == count, "every dial request must be accepted"
    return Round(count / float(seconds), (processor_s(pid) - began_s) / count * 1e6)


def _summary(measurements: list[Round]) -> str:
    rates = [one.rate for one in measurements]
    cost_us = min(one.processor_us for one in measurements)
    text = f"{max(rates):8,.0f} dial requests/s ({min(rates):,.0f} to {max(rates):,.0f})"
    return f"{text}, {cost_us:.0f} us of processor time each" if cost_us else text


def _print_ratios(rounds: dict[str, list[Round]]) -> None:
    def best(name: str) -> float:
        return max(one.rate for one in rounds[name])

    def cost(name: str) -> float:
        return min(one.processor_us for one in rounds[name])

    now, singles = f"lists of {LIST}, now", "lists of 1, now"
    script = max(best(f"boto3 in a script, {threads} threads") for threads in THREADS)
    print(f"lists of {LIST}, now / boto3 in a script: {best(now) / script:.2f} (target 1.5)")
    before, singles_before = f"lists of {LIST}, {BEFORE}", f"lists of 1, {BEFORE}"
    if before not in rounds:
        print(f"commit {BEFORE} is not in this repository, so it was not compared")
        return
    print(f"lists of {LIST}, now / {BEFORE}: {best(now) / best(before):.2f} (target 2.4)")
    print(f"processor time, now / {BEFORE}: {cost(now) / cost(before):.2f} (target 0.42)")
    print(f"lists of 1, now / {BEFORE}: {best(singles) / best(singles_before):.2f} (target 1.5)")
