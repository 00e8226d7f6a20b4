"""`python -m tests.faults [NAME ...]`: all fault runs, or the named ones; exit code 1 if a bar is missed.

Without `--sender` each is run with both senders of the gateway, one after the other. Each runs the gateway
and Connect as processes, records what callers sent and received and what Connect did, and prints the verdict
of the checker with its bars.
"""

import argparse
import asyncio
import os
import sys

from benchmarks.quota.bars import show
from tests.faults.proxies import PROXIES, absent
from tests.faults.scenarios import SCENARIOS
from tests.senders import SENDERS, VARIABLE


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="\n".join(SCENARIOS))
    parser.add_argument("--small", action="store_true", help="the size that `make test` runs")
    parser.add_argument("--sender", choices=SENDERS, help="of the gateways (default: both in turn)")
    options = parser.parse_args()
    chosen = {asked: _named(asked) for asked in options.names or SCENARIOS}
    if unknown := [asked for asked, names in chosen.items() if not names]:
        parser.error(f"no such fault run: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    senders = [options.sender] if options.sender else SENDERS
    each = [(name, sender) for names in chosen.values() for name in names for sender in senders]
    kept = [_run(name, sender, small=options.small) for name, sender in each]
    return 0 if all(kept) else 1


def _named(asked: str) -> list[str]:
    """Return the fault run of a name, or all of a name that is run with each proxy."""
    return [name for name in SCENARIOS if name == asked or name in {f"{asked}-{proxy}" for proxy in PROXIES}]


def _run(name: str, sender: str, *, small: bool) -> bool:
    scenario = SCENARIOS[name]
    print(f"== {name}, sender {sender}", flush=True)
    os.environ[VARIABLE] = sender
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
