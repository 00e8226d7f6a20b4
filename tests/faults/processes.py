"""The processes of a fault run: gateways, Connect, the shared state and proxies, which can end and restart.

Each keeps its port over all restarts. The output of each process has its own file.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests import preloaded
from tests.shared_state.servers import READY, absent, program_path

START_S = 90.0
OURS = (sys.executable, "-m")
"""What a command with a module of this repository begins with."""
GATEWAY = "gateway"
"""The module that runs a gateway."""
OBJECTS_FILE = "OBJECTS_FILE"
"""Variable with the file to which the module for soaks writes the objects of a gateway."""
POLL_S = 0.01
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(eq=False)
class Run:
    """One process, from its start to its end."""

    process: preloaded.Process
    said: Path
    began_at: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Service:
    """A command that serves on a port of its own. `ready` is the text that it prints once it serves."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    ready: bytes
    has_workers: bool = False
    """Whether it starts worker processes, which SIGKILL must end too."""
    runs: list[Run] = field(default_factory=list)

    async def start(self) -> None:
        """Start a process, and wait until it serves."""
        said = self.folder / f"{self.name}-{len(self.runs) + 1}.log"
        with said.open("wb") as file:
            process = await self._process(file)
        self.runs.append(Run(process, said))
        async with asyncio.timeout(START_S):
            while self.ready not in said.read_bytes():
                if process.returncode is not None:
                    raise RuntimeError(f"{self.name} did not start: {self.said()[-2000:]}")
                await asyncio.sleep(POLL_S)

    async def _process(self, output: IO[bytes]) -> preloaded.Process:
        environment = {**os.environ, **self.environment}
        if tuple(self.command[:2]) == OURS:
            return await preloaded.start(*self.command[2:], env=environment, stdout=output, stderr=output)
        return await asyncio.create_subprocess_exec(
            *self.command, env=environment, stdout=output, stderr=output
        )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the current process, unless it has just ended."""
        workers = self._workers() if self.has_workers and number is signal.SIGKILL else []
        with contextlib.suppress(ProcessLookupError):
            self.runs[-1].process.send_signal(number)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, number)

    async def ended(self, within_s: float) -> int:
        """Wait for the end of the current process; return its exit code. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            return await self.runs[-1].process.wait()

    async def kill(self) -> None:
        """End it with SIGKILL."""
        self.send(signal.SIGKILL)
        await self.runs[-1].process.wait()

    async def restart(self, number: signal.Signals, away_s: float = 0.0) -> int:
        """End it with a signal and start it again, `away_s` seconds later; return the exit code."""
        self.send(number)
        code = await self.ended(START_S)
        await asyncio.sleep(away_s)
        await self.start()
        return code

    @property
    def pid(self) -> int:
        """The id of the current process."""
        return self.runs[-1].process.pid

    def _workers(self) -> list[int]:
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        except OSError:  # it has just ended
            return []
        return [int(child) for child in children.split()]

    def said(self) -> str:
        """Return the output of the current process."""
        return self.runs[-1].said.read_text(errors="replace")

    def resident_mb(self) -> float:
        """Return its resident memory, in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * PAGE / 1e6

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def open_files(self) -> int:
        """Return how many file descriptors it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


@asynccontextmanager
async def running(*services: Service, later: Sequence[Service] = ()) -> AsyncIterator[None]:
    """Start services side by side; those still running at the end are killed.

    Those in `later` are started within the block, if at all.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for service in services:
                group.create_task(service.start())
        yield
    finally:
        for service in (*services, *later):
            if service.runs and service.runs[-1].process.returncode is None:
                await service.kill()


def connect_service(
    folder: Path,
    port: int,
    *,
    rate: float = 0.0,
    burst: float = 10.0,
    latency_s: float = 0.0,
    seed: int = 0,
) -> Service:
    """Return the simulated Connect, whose journal is in `journal.jsonl` over all restarts."""
    arguments = ["--port", str(port), "--rate", str(rate), "--burst", str(burst)]
    arguments += ["--latency", str(latency_s), "--seed", str(seed), "--no-verify-signatures"]
    command = [*OURS, "gateway", "simulator", *arguments, "--journal", str(folder / JOURNAL)]
    return Service("connect", command, {}, folder, b"Amazon Connect simulated at")


def gateway_service(
    folder: Path,
    number: int,
    port: int,
    connect_url: str,
    settings: Mapping[str, str],
    module: str = GATEWAY,
) -> Service:
    """Return a gateway; settings are named without the variables' prefix, in lower case.

    Its access key is its name, so that Connect's journal tells its calls from those of other gateways.
    """
    name = f"gateway-{number}"
    variables = {f"DIAL_GATEWAY_{setting.upper()}": value for setting, value in settings.items()}
    if "shared_state_url" in settings:
        variables["DIAL_GATEWAY_REPLICA"] = name
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": name,
        "AWS_SECRET_ACCESS_KEY": name,
        "AWS_ENDPOINT_URL_CONNECTCAMPAIGNS": connect_url,
        "AWS_ENDPOINT_URL_CONNECTCAMPAIGNSV2": connect_url,
        "DIAL_GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        **variables,
    }
    if module != GATEWAY:
        environment[OBJECTS_FILE] = str(folder / f"{name}-objects.json")
    return Service(name, [*OURS, module, "serve"], environment, folder, b"serving gRPC on")


def store_service(folder: Path, port: int) -> Service:
    """Return a Valkey server, which keeps its data over restarts."""
    program = program_path("valkey")
    assert program is not None, absent("valkey")
    data = folder / "store"
    data.mkdir(exist_ok=True)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    command += ["--appendonly", "yes", "--save", ""]
    return Service("store", command, {}, folder, READY.encode())


JOURNAL = "journal.jsonl"
