"""`dial-gateway fleet-demo`: runs three gateways that share their state, and kills one of them.

The gateways and the Valkey server are real processes; Amazon Connect is simulated in this process. `dialctl`
sends a file of dial requests through one gateway, as a user would. That gateway is killed, a campaign is held
and released through another, and the same file is sent again. Everything uses loopback and ends by itself.
"""

import asyncio
import csv
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.cli.demo_processes import DemoError, Replica, dialctl, replica, store
from gateway.simulator import EXAMPLE_CAMPAIGNS, CallRecord, Simulator, SimulatorSettings

LIMIT_S = 55.0
"""Seconds after which the demo gives up."""
CONNECT_LATENCY_S = 0.06
"""About what Amazon Connect takes for a call."""
RATE, BURST, FULL = 10.0, 10.0, 25
REPLICAS = ("gateway-1", "gateway-2", "gateway-3")
KILLED_AFTER_S, HELD_AFTER_S, HELD_FOR_S = 2.5, 1.5, 1.5
"""Seconds from the first call to the kill, from the kill to the hold, and from the hold to the release."""
HELD = EXAMPLE_CAMPAIGNS[1]
"""The campaign that is held: payment-reminders."""
CALL_WITHIN_S = 15.0
POLL_S = 0.02
WRONG_USAGE, FAILED = 2, 1


def run(leads: Path) -> int:
    """Run the demo with a CSV file; return the exit code, 0 if no lead was lost or dialed twice."""
    if not leads.is_file():
        sys.stderr.write(f"dial-gateway fleet-demo: no such file: {leads}\n")
        return WRONG_USAGE
    try:
        return asyncio.run(_limited(leads))
    except DemoError as error:
        sys.stderr.write(f"dial-gateway fleet-demo: {error}\n")
        return FAILED


async def _limited(leads: Path) -> int:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await _demo(leads)
    except TimeoutError:
        raise DemoError(f"not finished after {LIMIT_S:g} s; is this machine busy?") from None


async def _demo(leads: Path) -> int:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dial-gateway-fleet-demo-")))
        simulated = SimulatorSettings(
            call_rate=RATE, call_burst=BURST, latency_s=CONNECT_LATENCY_S, campaigns=EXAMPLE_CAMPAIGNS
        )
        simulator = await stack.enter_async_context(Simulator(simulated))
        demo = FleetDemo(leads, folder, simulator, await _fleet(folder, simulator.url, stack))
        return 0 if await demo.run() else FAILED


async def _fleet(folder: Path, connect_url: str, stack: AsyncExitStack) -> list[Replica]:
    port = await store(folder, stack)
    settings = {
        "shared_state_url": f"valkey://127.0.0.1:{port}/0",
        "call_rate": str(RATE),
        "campaign_directory": "connect",
    }
    replicas = await asyncio.gather(
        *(replica(name, connect_url, settings, folder, stack) for name in REPLICAS)
    )
    _say(f"Amazon Connect simulated at {connect_url}: {RATE:g} calls a second, at most {FULL} requests each")
    _say(f"Valkey on 127.0.0.1:{port}")
    for one in replicas:
        _say(f"{one.name} on {one.address}")
    return replicas


Sending = asyncio.Task[Counter[str]]
"""The task that sends all leads; its result counts the answers."""


class FleetDemo:
    """What the demo does, and what it prints about it."""

    def __init__(self, leads: Path, folder: Path, simulator: Simulator, replicas: Sequence[Replica]) -> None:
        self._leads = leads
        self._folder = folder
        self._simulator = simulator
        self._replicas = replicas
        self._began = time.time()

    async def run(self) -> bool:
        """Run it; return whether every lead got its answer and nothing was dialed twice."""
        first, second, third = self._replicas
        sending = asyncio.create_task(self._send("first", self._replicas))
        try:
            await self._first_by(first.name, sending)
            self._print(f"first call to Amazon Connect, by {first.name}")
            await asyncio.sleep(KILLED_AFTER_S)
            await self._kill(first, second, sending)
            await asyncio.sleep(HELD_AFTER_S)
            await self._hold(through=third)
            answers = await sending
        finally:
            sending.cancel()
        self._print(f"all leads are answered: {_in_words(answers)}")
        before = self._calls()
        again = await self._send("again", [third])
        after = self._calls()
        self._print(f"the same list through {third.name} again: {_in_words(again)}")
        _say("\n" + "\n".join(_summary(before, answers, len(after) - len(before))))
        return again == answers and all(count == 1 for count in _dials(after).values())

    async def _send(self, name: str, through: Sequence[Replica]) -> Counter[str]:
        """Send the file with the command that users have; return how often each answer came."""
        results = self._folder / f"{name}.csv"
        target = ",".join(one.address for one in through)
        gateway = target if len(through) == 1 else f"ipv4:{target}"
        command = ("send", str(self._leads), "--gateway", gateway, "--expires-in", "10m")
        self._print(f"$ dialctl {' '.join(command)}")
        code, printed = await dialctl(*command, "--results", str(results), "--quiet")
        if code not in {0, 1}:  # 1: some leads were not accepted, which this file has on purpose
            raise DemoError(f"dialctl send ended with code {code}: {printed.strip()}")
        with results.open(encoding="utf-8", newline="") as file:
            return Counter(row["outcome"] for row in csv.DictReader(file))

    async def _first_by(self, name: str, sending: Sending) -> CallRecord:
        """Wait for the first call of a replica while leads are sent; return it. Raises `DemoError`."""
        for _ in range(int(CALL_WITHIN_S / POLL_S)):
            if calls := [one for one in self._calls() if one.access_key == name]:
                return calls[0]
            if sending.done():
                raise DemoError(f"{name} made no call; the leads are answered: {_in_words(await sending)}")
            await asyncio.sleep(POLL_S)
        raise DemoError(f"{name} made no call within {CALL_WITHIN_S:g} s")

    async def _kill(self, killed: Replica, successor: Replica, sending: Sending) -> None:
        self._print(f"$ kill -KILL {killed.child.process.pid}   # {killed.name}, which has all leads")
        await killed.child.kill()
        killed_at = time.time()
        call = await self._first_by(successor.name, sending)
        self._print(f"first call by {successor.name}, {call.at - killed_at:.1f} s after the kill")

    async def _hold(self, *, through: Replica) -> None:
        await self._operate("hold", through, "--reason", "demo")
        held_at = time.time()
        await asyncio.sleep(HELD_FOR_S)
        calls = sum(one.campaign == HELD.id and one.at > held_at for one in self._calls())
        self._print(f"calls for {HELD.name}, from all replicas, since the hold: {calls}")
        await self._operate("release", through)

    async def _operate(self, action: str, through: Replica, *options: str) -> None:
        command = (action, f"name:{HELD.name}", "--gateway", through.address, *options)
        self._print(f"$ dialctl {' '.join(command)}   # {through.name}")
        code, printed = await dialctl(*command)
        for line in printed.strip().splitlines():
            self._print(f"  {line}")
        if code:
            raise DemoError(f"dialctl {action} ended with code {code}")

    def _calls(self) -> list[CallRecord]:
        return list(self._simulator.connect.journal)

    def _print(self, text: str) -> None:
        _say(f"{time.time() - self._began:5.1f} s  {text}")


def _summary(calls: Sequence[CallRecord], answers: Mapping[str, int], more_calls: int) -> Iterator[str]:
    seconds = calls[-1].at - calls[0].at
    allowed = BURST + RATE * seconds
    by_replica = Counter(one.access_key for one in calls)
    each = ", ".join(f"{name} {by_replica[name]}" for name in REPLICAS)
    throttled = sum(one.result == "ThrottlingException" for one in calls)
    dials = _dials(calls)
    twice = sum(count > 1 for count in dials.values())
    used = f"{len(calls)} of {allowed:.0f} calls in {seconds:.1f} s"
    yield f"quota used         {len(calls) / allowed:.0%}: {used}"
    yield f"calls by replica   {each}; answered 429: {throttled}"
    yield f"answers            {_in_words(answers)}"
    yield f"dialed             {len(dials):,} leads, {twice} of them twice"
    yield f"the list again     {more_calls} more calls to Amazon Connect"


def _dials(calls: Sequence[CallRecord]) -> Counter[tuple[str, str]]:
    """Count how often each campaign and client token was dialed."""
    return Counter(
        (call.campaign or "", item.token) for call in calls for item in call.accepted if not item.replayed
    )


def _in_words(answers: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {answer}" for answer, count in sorted(answers.items()))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
