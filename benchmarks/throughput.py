"""Every number that one gateway process is compared by with boto3 alone and with an earlier commit.

They are the dial requests a second and the processor time of each; the memory of queued requests (`memory`);
the latency of a lone request (`latency`); and the lag of the event loop (`responsiveness`).

The peers of the first are a script that calls boto3 in full batches from one or eight threads, and the
gateway of an earlier commit. There is no call limit, and Connect answers at once. All are measured in turns,
so that the load of the machine affects all. The ratios are those of the best rounds, since other programs
only make a round worse.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks import latency, memory, responsiveness
from benchmarks.earlier import BEFORE, NOW, Versions, versions
from benchmarks.fleet.cost import processor_s
from benchmarks.processes import gateway, output_of, sink
from benchmarks.quota.bars import Check, Result, show, summary

BOTO3 = f"{NOW}, sender boto3"
SCRIPT, LISTS, SINGLES = 25_000, 50_000, 10_000
LIST, CAMPAIGNS = 100, 4
ROUNDS = 5
THREADS = (1, 8)


class Round(NamedTuple):
    """One measurement: dial requests a second, and processor microseconds of each."""

    rate: float
    processor_us: float = 0.0


def run() -> bool:
    """Measure and print everything; return whether all bars are met."""
    results = []
    with versions() as environments:
        for compare in (compare_rates, memory.compare, latency.compare, responsiveness.compare):
            results.append(result := compare(environments))
            print(f"-- {result.title}")
            show(result)
    summary(results)
    return not any(result.failed for result in results)


def compare_rates(environments: Versions) -> Result:
    """Measure dial requests a second, and processor time, of every version and of boto3 in a script."""
    rounds: dict[str, list[Round]] = {}
    with ExitStack() as stack:
        url = stack.enter_context(sink())
        gateways = {
            name: stack.enter_context(gateway(url, environment, call_rate="0"))
            for name, environment in environments.items()
        }
        gateways[BOTO3] = stack.enter_context(gateway(url, call_rate="0", sender="boto3"))
        for _ in range(ROUNDS):
            for name, measured in _measured(url, gateways):
                rounds.setdefault(name, []).append(measured)
    for name, measurements in rounds.items():
        print(f"  {name:45} {_summary(measurements)}", flush=True)
    return Result("dial requests a second", _ratios(rounds))


def _measured(url: str, gateways: dict[str, tuple[str, int]]) -> Iterator[tuple[str, Round]]:
    """Measure everything once."""
    for threads in THREADS:
        rate = float(output_of("direct", str(SCRIPT), str(threads), endpoint=url))
        yield _script(threads), Round(rate)
    for name, (address, pid) in gateways.items():
        yield f"lists of {LIST}, {name}", _through(address, pid, LISTS, LIST)
        yield f"lists of 1, {name}", _through(address, pid, SINGLES, 1)


def _script(threads: int) -> str:
    return f"boto3 in a script, {threads} threads"


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


def _ratios(rounds: dict[str, list[Round]]) -> list[Check]:
    def best(name: str) -> float:
        return max(one.rate for one in rounds[name])

    def cost(name: str) -> float:
        return min(one.processor_us for one in rounds[name])

    now, singles = f"lists of {LIST}, {NOW}", f"lists of 1, {NOW}"
    before, singles_before = f"lists of {LIST}, {BEFORE}", f"lists of 1, {BEFORE}"
    script = max(best(_script(threads)) for threads in THREADS)
    checks = [Check(f"rate, {now} / boto3 in a script", best(now) / script, "{:.2f}", at_least=1.5)]
    if before in rounds:
        checks += [
            Check(f"rate, {now} / {BEFORE}", best(now) / best(before), "{:.2f}", at_least=2.4),
            Check(f"processor time, {now} / {BEFORE}", cost(now) / cost(before), "{:.2f}", at_most=0.42),
            Check(
                f"rate, {singles} / {BEFORE}", best(singles) / best(singles_before), "{:.2f}", at_least=1.5
            ),
        ]
    return checks
