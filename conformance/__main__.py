"""`python -m conformance [--client NAME ...] [--behind PROXY ...] [SCENARIO ...]`: runs the scenarios.

All clients that are built run a scenario at the same time against one gateway, or through a proxy before it.
Each answer is compared with the journal of the simulated Connect. The exit code is 1 if a bar is missed, if a
named proxy is missing, or if a client is missing with `CI` set.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from enum import Enum

from benchmarks.quota.bars import show
from conformance.bad_input import BAD_INPUT
from conformance.programs import PROGRAMS, absent
from conformance.refusals import REFUSALS
from conformance.scenarios import SCENARIOS, Scenario
from conformance.tools import reflection
from conformance.worlds import Clients, Findings
from tests.faults import any_proxy
from tests.peers import go

ALL: Mapping[str, Scenario] = {**SCENARIOS, **REFUSALS, **BAD_INPUT}
MEASURED = (", s", ", MB")
"""What the names of bars of time and memory end with."""
ALONE = ("replaced",)
"""Scenarios that run by themselves, after the others, whose load would lengthen the gaps they measure."""
WITHOUT_PROXY = ("wrong-authority", "unknown-authority")
"""Scenarios that are not run behind a proxy: about the gateway's certificate."""
NOT_BEHIND = {"traefik": ("replaced",)}
"""Scenarios that are not run behind one proxy. Traefik checks all gateways at one port; here they have one
host, so their ports differ."""
AT_ONCE = 2
"""Scenarios that run at the same time, besides `held`, which only waits."""


class Verdict(Enum):
    """What a scenario has shown. LATE: only bars of time or memory are missed, or a wait was too long."""

    PASSED = "passed"
    LATE = "late"
    FAILED = "failed"


async def run(names: Sequence[str], clients: Clients) -> bool:
    """Run scenarios with clients, and print their findings; return whether all bars are met.

    A scenario that is only late may have run on a busy machine, so it is run again, alone. One that shows a
    wrong answer is not.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Verdict:
        if name == "held":
            return await _run(name, clients)
        async with turns:
            return await _run(name, clients)

    beside = [name for name in names if name not in ALONE]
    verdicts = dict(zip(beside, await asyncio.gather(*map(one, beside)), strict=True))
    for name in set(names) - verdicts.keys():
        verdicts[name] = await _run(name, clients)
    for name in [name for name, verdict in verdicts.items() if verdict is Verdict.LATE]:
        print(f"{name}: late, so it is run again alone", flush=True)
        verdicts[name] = await _run(name, clients)
    return all(verdict is Verdict.PASSED for verdict in verdicts.values())


async def _run(name: str, clients: Clients) -> Verdict:
    began = time.monotonic()
    try:
        findings = await (reflection() if name == "reflection" else ALL[name](clients))
    except TimeoutError:
        print(f"LATE {name}: a wait has ended without its event", flush=True)
        return Verdict.LATE
    except Exception as error:  # noqa: BLE001 - the other scenarios still say what they find
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        return Verdict.FAILED
    where = f" behind {clients.proxy}" if clients.proxy else ""
    _show(f"{name}{where}", findings, time.monotonic() - began)
    return _verdict(findings)


def _verdict(findings: Findings) -> Verdict:
    missed = [check for finding in findings.values() for check in finding.failed]
    if not missed:
        return Verdict.PASSED
    return Verdict.LATE if all(check.name.endswith(MEASURED) for check in missed) else Verdict.FAILED


def _show(title: str, findings: Findings, took_s: float) -> None:
    print(f"{title} ({took_s:.0f} s)", flush=True)
    for client, finding in findings.items():
        verdict = finding.verdict
        told = f"{verdict.requests:,} requests, {verdict.dials:,} dials" if verdict.requests else ""
        print(f"  {'FAIL' if finding.failed else 'PASS'}  {client:11} {finding.title}  {told}".rstrip())
        if finding.failed:
            show(finding)
            print("".join(f"    {line}\n" for line in str(verdict).splitlines()), flush=True)


def main() -> int:
    """Run what the arguments name, or all."""
    names = [*ALL, "reflection"]
    parser = argparse.ArgumentParser(
        prog="python -m conformance", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="\n".join(names))
    parser.add_argument("--client", action="append", choices=PROGRAMS, help="default: all that are built")
    parser.add_argument("--behind", action="append", choices=any_proxy.NAMES, help="default: no proxy")
    options = parser.parse_args()
    if options.behind:
        left_out = {*WITHOUT_PROXY, *(name for proxy in options.behind for name in NOT_BEHIND.get(proxy, ()))}
        names = [name for name in ALL if name not in left_out]
    if unknown := set(options.scenarios) - set(names):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    missing = {client: why for client in options.client or PROGRAMS if (why := absent(client))}
    absent_proxies = {name: why for name in options.behind or () if (why := any_proxy.absent(name))}
    for name, why in (missing | absent_proxies).items():
        print(f"conformance: {name} is left out: {why}")
    clients = [client for client in options.client or PROGRAMS if client not in missing]
    chosen = options.scenarios or [name for name in names if name != "reflection" or not go.absent()]
    proxies = [name for name in options.behind or ("",) if name not in absent_proxies]
    passed = [asyncio.run(run(chosen, Clients(clients, proxy))) for proxy in proxies]
    incomplete = absent_proxies or (missing and (options.client or os.environ.get("CI")))
    return 0 if all(passed) and not incomplete else 1


if __name__ == "__main__":
    sys.exit(main())
