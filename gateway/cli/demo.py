"""`dial-gateway demo`: sends a file of dial requests through a gateway to a simulated Connect.

The gateway and the simulator are the real ones, in this process. `dialctl` sends the file from a separate
process, as a user would. Everything uses loopback and ends without user input.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.app import Gateway
from gateway.cli.trace_tree import trace_tree
from gateway.connect.boto_sender import BotoConnect
from gateway.connect.campaign_lists import AwsCampaignLister
from gateway.connect.credentials import AccessKeys
from gateway.settings import Settings
from gateway.simulator import EXAMPLE_CAMPAIGNS, Simulator, SimulatorSettings, Statistics
from gateway.telemetry import SpanMemory, telemetry_with

CONNECT_LATENCY_S = 0.06
"""About what Amazon Connect takes for a call."""
KEYS = ("simulator", "simulator")


def run(leads: Path) -> int:
    """Run the demo with a CSV file; return the exit code, 0 if every lead was answered."""
    if not leads.is_file():
        sys.stderr.write(f"dial-gateway demo: no such file: {leads}\n")
        return 2
    return asyncio.run(_demo(leads))


async def _demo(leads: Path) -> int:
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", campaign_directory="connect")
    memory = SpanMemory()
    simulated = SimulatorSettings(latency_s=CONNECT_LATENCY_S, campaigns=EXAMPLE_CAMPAIGNS)
    async with Simulator(simulated) as simulator:
        connect = BotoConnect(
            threads=settings.max_concurrent_calls,
            timeout_s=settings.call_timeout,
            endpoint_url=simulator.url,
            region="us-east-1",
            credentials=KEYS,
        )
        names = AwsCampaignLister(
            "v1",
            AccessKeys.fixed(*KEYS),
            timeout_s=settings.call_timeout,
            region="us-east-1",
            endpoint_url=simulator.url,
        )
        gateway = Gateway(settings, connect, telemetry_with(memory), listers=[names])
        port = await gateway.start()
        _say(f"gateway on 127.0.0.1:{port}, Amazon Connect simulated at {simulator.url}")
        _say(f"console, as long as this runs: http://127.0.0.1:{gateway.admin_port}/")
        _say(f"quota: {settings.call_rate:g} calls a second, at most 25 dial requests each\n")
        began = time.perf_counter()
        sent = await _send(leads, port)
        seconds = time.perf_counter() - began
        await gateway.stop(settings.drain_grace)
        _say("\n".join(_calls(simulator.connect.stats(), seconds)))
    _say("\n".join(trace_tree(memory.spans)))
    return sent


async def _send(leads: Path, port: int) -> int:
    """Send the file with the command that users have; 0 if it was sent, whatever became of each lead."""
    results = Path(tempfile.mkdtemp(prefix="dial-gateway-demo-")) / "leads.results.csv"
    command = [sys.executable, "-m", "dialgateway.dialctl", "send", str(leads), "--expires-in", "10m"]
    command += ["--gateway", f"127.0.0.1:{port}", "--results", str(results)]
    _say(f"$ dialctl {' '.join(command[3:])}")
    sending = await asyncio.create_subprocess_exec(*command)
    code = await sending.wait()
    # 1: some leads were not accepted, which this file has on purpose.
    return 0 if code in {0, 1} else code


def _calls(stats: Statistics, seconds: float) -> Iterator[str]:
    calls = sum(stats.fill.values())
    items = sum(size * count for size, count in stats.fill.items())
    results = ", ".join(f"{count} {result}" for result, count in stats.calls["PutDialRequestBatch"].items())
    yield f"\ncalls to Connect: {calls} in {seconds:.1f} s ({results})"
    yield f"fill: {items / max(calls, 1):.1f} of 25 dial requests a call; {stats.fill.get(25, 0)} calls full"
    yield f"without the gateway, one call for each: {items / 10:.0f} s at the same quota\n"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
