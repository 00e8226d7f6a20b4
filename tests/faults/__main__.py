"""`python -m tests.faults [NAME ...]`: all fault runs, or those named; exit code 1 where a bar is missed.

Each runs the gateway and Connect as processes, writes down what callers sent and heard and what Connect did,
and prints the checker's verdict beside its bars.
"""

import argparse
import asyncio
import shutil
import sys

from benchmarks.quota.bars import show
from tests.faults.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="\n".join(SCENARIOS))
    parser.add_argument("--small", action="store_true", help="the size that `make test` runs")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in SCENARIOS]:
        parser.error(f"no such fault run: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    kept = [_run(name, small=options.small) for name in options.names or SCENARIOS]
    return 0 if all(kept) else 1


def _run(name: str, *, small: bool) -> bool:
    scenario = SCENARIOS[name]
    print(f"== {name}", flush=True)
    if name == "proxy-kills" and shutil.which("haproxy") is None:
        print("  left out: no haproxy here (Debian: apt-get install haproxy)\n")
        return True
    finding = asyncio.run(scenario.small() if small else scenario.full())
    print(f"  {finding.title}")
    show(finding)
    print("".join(f"  {line}\n" for line in str(finding.verdict).splitlines()), flush=True)
    return not finding.failed


if __name__ == "__main__":
    sys.exit(main())
