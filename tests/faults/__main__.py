"""`python -m tests.faults [NAME ...]`: all fault runs, or the named ones; exit code 1 if a bar is missed.

Each runs the gateway and Connect as processes, records what callers sent and received and what Connect did,
and prints the checker's verdict with its bars.
"""

import argparse
import asyncio
import sys

from benchmarks.quota.bars import show
from tests.faults.proxies import PROXIES, absent
from tests.faults.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="\n".join(SCENARIOS))
    parser.add_argument("--small", action="store_true", help="the size that `make test` runs")
    options = parser.parse_args()
    chosen = {asked: _named(asked) for asked in options.names or SCENARIOS}
    if unknown := [asked for asked, names in chosen.items() if not names]:
        parser.error(f"no such fault run: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    kept = [_run(name, small=options.small) for names in chosen.values() for name in names]
    return 0 if all(kept) else 1


def _named(asked: str) -> list[str]:
    """Return the fault run of a name, or all of a name that is run with each proxy."""
    return [name for name in SCENARIOS if name == asked or name in {f"{asked}-{proxy}" for proxy in PROXIES}]


def _run(name: str, *, small: bool) -> bool:
    scenario = SCENARIOS[name]
    print(f"== {name}", flush=True)
    if scenario.behind_a_proxy and (reason := absent()):
        print(f"  left out: {reason}\n")
        return True
    finding = asyncio.run(scenario.small() if small else scenario.full())
    print(f"  {finding.title}")
    show(finding)
    print("".join(f"  {line}\n" for line in str(finding.verdict).splitlines()), flush=True)
    return not finding.failed


if __name__ == "__main__":
    sys.exit(main())
