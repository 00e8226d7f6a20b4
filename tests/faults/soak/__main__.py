"""`python -m tests.faults.soak`: mixed load, faults, restarts and churn; exit code 1 if a bar is missed.

Two gateways share one Connect: the first keeps running, and its memory, files and tasks are sampled; the
second is stopped or killed every few seconds. Connect fails, hangs and restarts. Prints the trend, the events
and the checker's verdict.

With --fleet, three gateways share their state in a Valkey server at a fixed load. The store, the links to it
and the gateways fail in random order, and campaigns are held. Prints each fault and the checker's verdict.

With --long, a fleet with mutual TLS serves changing callers for minutes to hours, with all of these faults,
frozen gateways, new certificates and new policies. Two gateways never end: their memory, files, threads,
tasks, objects, series and log lines must be steady, and so must the keys and the memory of the store. Prints
the sizes each minute, then their trends, and one table of all checks.
"""

import argparse
import asyncio
import logging
import os
import sys
from functools import partial

from benchmarks.quota.bars import show
from tests.faults.bars import Finding
from tests.faults.soak.fleet import fleet_soak
from tests.faults.soak.long import long_soak
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
    parser.add_argument("--fleet", action="store_true", help="three gateways with a shared state")
    parser.add_argument("--long", action="store_true", help="such a fleet, whose sizes must be steady")
    options = parser.parse_args()
    logging.getLogger("dialgateway").setLevel(logging.ERROR)  # a caller tells of each connection that ends
    os.environ[VARIABLE] = options.sender
    if options.long:
        return _long(options)
    return _fleet(options) if options.fleet else _pair(options)


def _pair(options: argparse.Namespace) -> int:
    found = asyncio.run(soak(options.duration, options.rate, options.seed))
    print(f"== {found.finding.title}, sender {options.sender}")
    print("\n".join(f"  {line}" for line in found.table))
    print("  " + ", ".join(f"{count} {name}" for name, count in sorted(found.seen.items())))
    return _judged(found.finding)


def _fleet(options: argparse.Namespace) -> int:
    print(f"== a fleet for {options.duration:g} s, seed {options.seed}, sender {options.sender}", flush=True)
    told = partial(print, " ", flush=True)
    finding, seen = asyncio.run(fleet_soak(options.duration, options.seed, told))
    print("  " + ", ".join(f"{count} {name}" for name, count in sorted(seen.items())))
    return _judged(finding)


def _long(options: argparse.Namespace) -> int:
    told = partial(print, " ", flush=True)
    soaked = asyncio.run(long_soak(options.duration, options.rate, options.seed, told))
    for growth in soaked.growths:
        print(f"== {growth.name}\n" + "\n".join(f"  {line}" for line in growth.table()))
    print("== types of objects that become more\n" + "".join(f"  {line}\n" for line in soaked.suspects))
    print("  " + ", ".join(f"{count} {name}" for name, count in sorted(soaked.seen.items())))
    print(f"== {soaked.finding.title}, sender {options.sender}")
    return _judged(soaked.finding)


def _judged(finding: Finding) -> int:
    show(finding)
    print("".join(f"  {line}\n" for line in str(finding.verdict).splitlines()))
    return 1 if finding.failed else 0


if __name__ == "__main__":
    sys.exit(main())
