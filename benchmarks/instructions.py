"""How many processor instructions the core needs for a dial request, compared with an earlier commit.

The core alone is measured: admission, scheduling, batches, settlement and the ledger. valgrind counts the
instructions, so other programs on the machine change nothing. Each count is the difference of two runs, one
of which sends twice as many dial requests, so the start of Python does not count.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.earlier import BEFORE, NOW, Versions, versions
from benchmarks.quota.bars import Check, Result, show

DRIVER = Path(__file__).with_name("core_driver.py")
COUNT = 4000
SIZES = (10, 1)
RATIO = 1.0
VALGRIND = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]


def run() -> bool:
    """Measure and print; return whether the bars are met. Without valgrind nothing is measured."""
    if shutil.which("valgrind") is None:
        print("valgrind is missing, so nothing is measured; Debian has it in the package valgrind")
        return True
    with versions() as environments:
        found = compare(environments)
    show(found)
    return not found.failed


def compare(environments: Versions) -> Result:
    """Count the instructions of every version for each size of lists, with a turn of the core after each."""
    checks: list[Check] = []
    for size in SIZES:
        each = {name: instructions(environment, size) for name, environment in environments.items()}
        checks += [Check(f"lists of {size}, {name}", count, "{:,.0f}") for name, count in each.items()]
        if BEFORE in each:
            ratio = each[NOW] / each[BEFORE]
            checks.append(Check(f"lists of {size}, {NOW} / {BEFORE}", ratio, "{:.3f}", at_most=RATIO))
    return Result("instructions of the core for a dial request", checks)


def instructions(environment: Mapping[str, str], size: int) -> float:
    """Return how many instructions the core of a version needs for each dial request of a list."""
    return (_counted(environment, 2 * COUNT, size) - _counted(environment, COUNT, size)) / COUNT


def _counted(environment: Mapping[str, str], sent: int, size: int) -> int:
    command = [*VALGRIND, sys.executable, str(DRIVER), str(2 * COUNT), str(sent), str(size)]
    fixed = {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        command, env={**os.environ, **fixed, **environment}, check=True, capture_output=True, text=True
    )
    assert int(done.stdout) > sent - 100, "every dial request must be answered, but those of the last calls"
    found = re.search(r"I +refs: +([\d,]+)", done.stderr)
    assert found is not None, "valgrind prints how many instructions it has counted"
    return int(found[1].replace(",", ""))
