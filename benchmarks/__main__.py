"""Run all benchmarks or the named ones: `python -m benchmarks [NAME ...]`; exit code 1 if a bar is missed."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    fleet,
    flood,
    guard,
    hold,
    instructions,
    latency,
    leads,
    memory,
    observability,
    quota,
    responsiveness,
    small,
    stalls,
    throughput,
    watched,
)

ALL = {
    "small": small,
    "hold": hold,
    "instructions": instructions,
    "quota": quota,
    "throughput": throughput,
    "observability": observability,
    "fleet": fleet,
    "flood": flood,
    "leads": leads,
    "stalls": stalls,
    "watched": watched,
    "guard": guard,
}
PARTS = {"memory": memory, "latency": latency, "responsiveness": responsiveness}
"""Parts of `throughput`, which can be run alone."""

KNOWN = {**ALL, **PARTS}
HELP = f"any of {', '.join(ALL)}; `throughput` includes {', '.join(PARTS)}, which can be run alone"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=HELP)
    parser.add_argument("--draw", action="store_true", help=f"draw {quota.PICTURE} of the services")
    parser.add_argument(
        "--scenario", action="append", choices=quota.NAMES, default=[], help="of quota, these only"
    )
    parser.add_argument(
        "--case", action="append", choices=fleet.NAMES, default=[], help="of fleet, these only"
    )
    parser.add_argument(
        "--arm", action="append", choices=fleet.ARMS, default=[], help="of fleet, these kinds of fleet only"
    )
    parser.add_argument(
        "--other", type=Path, metavar="CHECKOUT", help="for leads and fleet: the checkout that is compared"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in KNOWN]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; known: {', '.join(KNOWN)}")
    runs: dict[str, Callable[[], bool | None]] = {name: module.run for name, module in KNOWN.items()}
    runs["quota"] = lambda: quota.run(options.scenario, draw=options.draw)
    runs["fleet"] = lambda: fleet.run(options.case, options.arm, options.other)
    runs["leads"] = lambda: leads.run(options.other)
    kept = [_run(name, runs[name]) for name in options.names or ALL]
    return 0 if all(kept) else 1


def _run(name: str, run: Callable[[], bool | None]) -> bool:
    print(f"== {name}: {(KNOWN[name].__doc__ or '').splitlines()[0]}", flush=True)
    kept = run()
    print(flush=True)
    return kept is not False


if __name__ == "__main__":
    sys.exit(main())
