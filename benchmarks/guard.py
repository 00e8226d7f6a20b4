"""The cost of the compliance guard: a decision, a list of ten million numbers, and throughput with rules.

Decisions are about numbers that were not seen before, with hours, zones of the number and a list of a million
numbers. Throughput is that of one gateway with these rules and of one without, in turns.
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.processes import gateway, output_of, sink
from benchmarks.quota.bars import Check, Result, show
from gateway.compliance.guard import Guard
from gateway.compliance.guard_file import parse_rules
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.suppression_list import NumberTable, Suppressions
from gateway.compliance.suppression_list_file import read_list
from gateway.compliance.time_zones import TimeZones, newest_table
from gateway.core.model import DialRequest

Argument = TypeVar("Argument")
ROUNDS, DIALS, LIST, CAMPAIGNS = 5, 50_000, 100, 4
NOW = 1_784_131_200.0  # 2026-07-15 at noon in New York
DECISION_BAR_US, LOAD_BAR_S, MEMORY_BAR_MB, LOOK_UP_BAR_US, RATE_BAR = 8.0, 20.0, 150.0, 2.0, 0.85
RULES = """
version: 1
lists: {a: {file: LIST}}
rules:
  - {name: day, campaigns: ["*"], hours: {monday-sunday: ["HOURS"]}, lists: [a]}
"""
DAY, ALMOST_ALWAYS = "08:00-21:00", "00:00-23:59"
AREAS = (
    *(212, 213, 312, 305, 404, 415, 512, 617, 702, 713, 718, 801, 808, 813, 850, 901, 907, 915, 919, 208),
    *(605, 701, 812, 416, 514, 604, 306),
)


def numbers(count: int, seed: int) -> Iterator[str]:
    """Yield numbers of North America."""
    draw = random.Random(seed)
    for _ in range(count):
        yield f"+1{draw.choice(AREAS)}{draw.randrange(2_000_000, 9_990_000)}"


def decisions(count: int = 100_000) -> float:
    """Return the microseconds of a decision, for numbers that were not seen before."""
    hashing, zones = NumberHash(b"a key"), TimeZones(newest_table())
    suppressions = Suppressions()
    suppressions.publish({"a": NumberTable(number.encode() for number in numbers(1_000_000, seed=1))})
    phone_numbers = PhoneNumbers(zones.by_country)
    guard = Guard(
        parse_rules(RULES.replace("HOURS", DAY), zones),
        zones=zones,
        numbers=phone_numbers,
        hashing=hashing,
        suppressions=suppressions,
    )
    for number in numbers(20_000, seed=2):
        guard.decide(NOW, _request(number))
    requests = [_request(number) for number in numbers(count, seed=3)]
    return _fastest(partial(guard.decide, NOW), requests)


def look_ups(path: Path) -> tuple[int, float, float, float]:
    """Load a list; return how many numbers it has, seconds, megabytes, and microseconds of a look-up.

    All times are processor times, so other programs do not count.
    """
    before, started = _memory_mb(), time.process_time()
    table = read_list("a", str(path)).table
    seconds, memory = time.process_time() - started, _memory_mb() - before
    asked = [number.encode() for number in numbers(100_000, seed=4)]
    return len(table), seconds, memory, _fastest(table.__contains__, asked)


def _fastest(call: Callable[[Argument], object], arguments: Sequence[Argument]) -> float:
    """Return the microseconds of a call, in the fastest of three runs."""
    runs = []
    for _ in range(3):
        started = time.process_time()
        for argument in arguments:
            call(argument)
        runs.append((time.process_time() - started) / len(arguments) * 1e6)
    return min(runs)


def _request(number: str) -> DialRequest:
    return DialRequest("c", "t", number, b"{}", NOW + 600, 100)


def _memory_mb() -> float:
    """Return the largest memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rates(folder: Path) -> tuple[float, float]:
    """Return the best dial requests a second of a gateway without rules, and of one with them."""
    listed, rules = folder / "million", folder / "guard.yaml"
    with listed.open("w") as file:
        file.writelines(
            f"{number}\n" for number in numbers(1_000_000, seed=1) if not number.startswith("+1212")
        )
    rules.write_text(RULES.replace("LIST", str(listed)).replace("HOURS", ALMOST_ALWAYS))
    best = [0.0, 0.0]
    with ExitStack() as stack:
        url = stack.enter_context(sink())
        gateways = [
            stack.enter_context(gateway(url, environment, call_rate="0"))[0]
            for environment in ({}, {"DIAL_GATEWAY_GUARD_FILE": str(rules)})
        ]
        for _ in range(ROUNDS):
            for at, address in enumerate(gateways):
                output = output_of("load", address, str(DIALS), str(LIST), str(CAMPAIGNS))
                seconds, accepted = output.split()
                assert int(accepted) == DIALS, "every dial request must be accepted"
                best[at] = max(best[at], DIALS / float(seconds))
    return best[0], best[1]


def run(count: int = 10_000_000) -> bool:
    """Measure, print, and return whether the bars are kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list")
        with path.open("w") as file:
            file.writelines(f"+1{2_120_000_000 + number * 7}\n" for number in range(count))
        found, seconds, memory, look_up = look_ups(path)
        without, with_rules = rates(Path(folder))
    whole = count == 10_000_000
    result = Result(
        "guard",
        [
            Check(
                f"seconds of processor time to load {found:,} numbers", seconds, "{:.1f}", at_most=LOAD_BAR_S
            ),
            Check("MB for it", memory, "{:.0f}", at_most=MEMORY_BAR_MB if whole else None),
            Check("us of a look-up", look_up, "{:.2f}", at_most=LOOK_UP_BAR_US),
            Check("us of a decision", decisions(), "{:.2f}", at_most=DECISION_BAR_US),
            Check("dial requests a second without rules", without, "{:,.0f}"),
            Check("dial requests a second with rules", with_rules, "{:,.0f}"),
            Check("throughput with rules / without", with_rules / without, "{:.2f}", at_least=RATE_BAR),
        ],
    )
    show(result)
    return not result.failed


if __name__ == "__main__":
    sys.exit(0 if run(*map(int, sys.argv[1:])) else 1)
