"""Starts the processes of a benchmark and reserves their addresses; all end with the benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.health_check import SERVING, check
from tests.ports import reserved_port

KEYS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "simulator",
    "AWS_SECRET_ACCESS_KEY": "simulator",
}
ENDPOINT = "AWS_ENDPOINT_URL_CONNECTCAMPAIGNS"
START_S = 90.0
IMAGE = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "2"}
"""The image's setting for the gateway: the C library's allocator returns memory."""


@contextmanager
def sink() -> Iterator[str]:
    """Run a Connect that accepts everything at once; yield its URL."""
    with _running([sys.executable, "-m", "benchmarks.sink"], {}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@contextmanager
def refusing_sink() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a Connect that lets calls wait, and from a time on has none of their campaigns.

    Yields its URL, and the function that begins this.
    """
    command = [sys.executable, "-m", "benchmarks.sink", "refusing"]
    with _running(command, {}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), lambda: process.send_signal(signal.SIGUSR1)


@contextmanager
def collector() -> Iterator[str]:
    """Run an OTLP collector that accepts everything; yield its URL."""
    with _running([sys.executable, "-m", "benchmarks.collector"], {}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@contextmanager
def gateway(
    connect_url: str, environment: Mapping[str, str] | None = None, module: str = "gateway", **settings: str
) -> Iterator[tuple[str, int]]:
    """Run a gateway that calls `connect_url`; yield its address and process id once it serves.

    `module` is run with `serve`, in place of the gateway itself.
    """
    variables = {f"DIAL_GATEWAY_{name.upper()}": value for name, value in settings.items()}
    variables = {"DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0", "DIAL_GATEWAY_LOG_LEVEL": "WARNING"} | variables
    variables |= environment or {}
    command = [sys.executable, "-m", module, "serve"]
    with reserved_address() as address:
        variables |= {"DIAL_GATEWAY_LISTEN": address, ENDPOINT: connect_url}
        with _running(command, variables, stderr=subprocess.DEVNULL) as process:
            _wait_until_serving(address)
            yield address, process.pid


def output_of(module: str, *arguments: str, endpoint: str = "") -> str:
    """Run a module of this package to its end; return what it printed."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    environment = {**os.environ, **KEYS, ENDPOINT: endpoint}
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=300
    )
    return done.stdout.strip()


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def high_water_mb(pid: int) -> float:
    """Return the peak memory of a process since its start, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


@contextmanager
def _running(
    command: list[str], variables: Mapping[str, str], stdout: int | None = None, stderr: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, **KEYS, **variables}
    process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_serving(address: str) -> None:
    host, port = address.split(":")
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0 and check(address) == SERVING:
                return
        time.sleep(0.05)
    raise TimeoutError(f"no gateway came up on {address}")


@contextmanager
def reserved_address() -> Iterator[str]:
    """Yield a loopback address that is reserved against other benchmarks and tests."""
    with reserved_port() as port:
        yield f"127.0.0.1:{port}"
