"""Measures the compliance guard: `python -m benchmarks guard`.

Prints what a decision costs for numbers that were not seen before, with hours, zones of the number and one
list of a million numbers, and what a list of NUMBERS (10,000,000) costs to load, to keep and to look up.
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.compliance.guard import Guard
from gateway.compliance.guard_file import parse_rules
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.suppression_file import read_list
from gateway.compliance.suppression_list import NumberTable, Suppressions
from gateway.compliance.time_zones import TimeZones, newest_table
from gateway.core.model import DialRequest

Argument = TypeVar("Argument")
NOW = 1_784_131_200.0  # 2026-07-15 at noon in New York
DECISION_BAR_US, LOAD_BAR_S, MEMORY_BAR_MB, LOOK_UP_BAR_US = 8.0, 20.0, 150.0, 2.0
RULES = """
version: 1
lists: {a: {file: a}}
rules:
  - {name: day, campaigns: ["*"], hours: {monday-sunday: ["08:00-21:00"]}, lists: [a]}
"""
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
        parse_rules(RULES, zones),
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
    return DialRequest("c", "t", number, b"{}", NOW + 600, NOW + 600, 100)


def _memory_mb() -> float:
    """Return the largest memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(count: int = 10_000_000) -> bool:
    """Measure, print, and return whether the bars are kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list")
        with path.open("w") as file:
            file.writelines(f"+1{2_120_000_000 + number * 7}\n" for number in range(count))
        found, seconds, memory, look_up = look_ups(path)
    decision = decisions()
    print(f"list of {found:,}: loaded in {seconds:.1f} s of processor time, {memory:.0f} MB")
    print(f"look-up: {look_up:.2f} us")
    print(f"decision: {decision:.2f} us")
    held = decision < DECISION_BAR_US and look_up < LOOK_UP_BAR_US
    held &= count != 10_000_000 or (seconds < LOAD_BAR_S and memory < MEMORY_BAR_MB)
    return held


if __name__ == "__main__":
    sys.exit(0 if run(*map(int, sys.argv[1:])) else 1)
