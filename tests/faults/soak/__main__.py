"""`python -m tests.faults.soak`: mixed load, faults, restarts and churn; exit code 1 if a bar is missed.

Two gateways share one Connect: the first keeps running, and its memory, files and tasks are sampled; the
second is stopped or killed every few seconds. Connect fails, hangs and restarts. Prints the trend, the events
and the checker's verdict.
"""

import argparse
import asyncio
import os
import sys

from benchmarks.quota.bars import show
from tests.faults.soak.run import soak
from tests.senders import SENDERS, VARIABLE


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--duration", type=float, default=600.0, help="seconds of load (default: %(default)g)"
    )
    parser.add_argument(
        "--rate", type=float, default=400.0, help="dial requests a second (default: %(default)g)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of failures, load and Connect (default: %(default)s)"
    )
    parser.add_argument(
        "--sender", choices=SENDERS, default="direct", help="of the gateways (default: %(default)s)"
    )
    options = parser.parse_args()
    os.environ[VARIABLE] = options.sender
    found = asyncio.run(soak(options.duration, options.rate, options.seed))
    print(f"== {found.finding.title}, sender {options.sender}")
    print("\n".join(f"  {line}" for line in found.table))
    print("  " + ", ".join(f"{count} {name}" for name, count in sorted(found.seen.items())))
    show(found.finding)
    print("".join(f"  {line}\n" for line in str(found.finding.verdict).splitlines()))
    return 1 if found.finding.failed else 0


if __name__ == "__main__":
    sys.exit(main())
