"""Start commands of this repository from a process that has already imported them.

A gateway needs about a second of processor time for its imports, and tests start hundreds of gateways and
dialctls. So each test worker keeps one process that has imported everything (`preloader.py`). It forks, and
the fork runs the module as `python -m` does. gRPC allows this: it must not be forked once it has started, and
in that process it never starts. The processes of several workers are themselves forks of one process.

`start` runs a new interpreter instead if the environment could change what an import does, and outside
pytest. Tests about the start of a process itself do not use this module.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest

from tests.preloader import NUMBER

TREE = Path(__file__).resolve().parents[1]
READ_LATE = (
    "AWS_",
    "DIALCTL_",
    "DIAL_GATEWAY_",
    "OBJECTS_FILE",
    "OTEL_BSP_",
    "OTEL_EXPORTER_",
    "OTEL_METRIC",
    "OTEL_SDK_",
    "OTEL_TRACES_",
    "PYTEST_",
    "PYTHONUNBUFFERED",
)
"""Prefixes of variables that no import reads: the commands read them after their start."""
Where = int | IO[Any] | None


class PreloadedProcess:
    """A forked process with the interface of `asyncio.subprocess.Process`."""

    def __init__(
        self,
        pid: int,
        report: asyncio.StreamReader,
        stdin: asyncio.StreamWriter | None,
        stdout: asyncio.StreamReader | None,
        stderr: asyncio.StreamReader | None,
    ) -> None:
        self.pid = pid
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._exit = asyncio.create_task(report.readexactly(NUMBER.size))

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal, or None while the process runs."""
        return int(NUMBER.unpack(self._exit.result())[0]) if self._exit.done() else None

    def send_signal(self, number: int) -> None:
        """Send a signal. Raises `ProcessLookupError` if the process has ended."""
        if self._exit.done():
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for the end of the process; return its exit code."""
        return int(NUMBER.unpack(await asyncio.shield(self._exit))[0])

    async def communicate(self, input: bytes | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        """Write to the standard input, read all output, and wait for the end of the process."""
        _, out, err = await asyncio.gather(
            _write_all(self.stdin, input), _read_all(self.stdout), _read_all(self.stderr)
        )
        await self.wait()
        return out, err


Process = asyncio.subprocess.Process | PreloadedProcess


async def _write_all(stdin: asyncio.StreamWriter | None, data: bytes | None) -> None:
    if stdin is None:
        return
    try:
        stdin.write(data or b"")
        await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the process reads no more, or has ended, which its exit code shows
    stdin.close()


async def _read_all(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


class Imported:
    """The process that has imported the commands. `address` is its socket, to which preloaders connect.

    It ends with `close`, or with this process.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()  # which other users cannot enter
        self.address = str(Path(self._folder.name) / "workers")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.address)
            listener.listen()
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "tests.preloader", str(listener.fileno())],
                cwd=TREE,
                pass_fds=[listener.fileno()],
                stdin=PIPE,
                stdout=DEVNULL,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def close(self) -> None:
        """End the process. Preloaders that are connected go on."""
        self._process.communicate()
        self._folder.cleanup()


class Preloader:
    """The process that forks for one worker: a fork of the process at `address`. It ends with `close`."""

    def __init__(self, address: str) -> None:
        self._environment = dict(os.environ)
        self._orders = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.connect(address)

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Return whether the imports of a command in this environment would have the same result."""
        names = {*environment, *self._environment}
        changed = {name for name in names if environment.get(name) != self._environment.get(name)}
        return all(name.startswith(READ_LATE) for name in changed)

    def send(self, order: Mapping[str, Any], files: list[int]) -> None:
        """Send an order with the command's standard files and the socket for its report."""
        socket.send_fds(self._orders, [json.dumps(order).encode()], files)

    def close(self) -> None:
        """End the process. Commands that it has started go on, but their exit codes are lost."""
        self._orders.close()


class Session:
    """What a test worker starts: forks of one preloader, once it has begun."""

    def __init__(self) -> None:
        self._is_on = False
        self._imported: Imported | None = None
        self._preloader: Preloader | None = None
        self._address: str | None = None

    def begin(self, address: str | None = None) -> None:
        """Let `start` fork from now on, which needs Linux's file descriptors of processes.

        `address` is that of a process of `Imported`; without it the session starts one.
        """
        self._is_on, self._address = hasattr(os, "pidfd_open"), address

    def end(self) -> None:
        """End the preloader; `start` does not fork any more."""
        self._is_on = False
        if self._preloader is not None:
            self._preloader.close()
        if self._imported is not None:
            self._imported.close()
        self._preloader = self._imported = self._address = None

    def address(self) -> str:
        """Return the address to which preloaders connect."""
        if self._address is None:
            self._imported = Imported()
            self._address = self._imported.address
        return self._address

    async def start(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: Where = None,
        stdout: Where = None,
        stderr: Where = None,
    ) -> Process:
        """Start `python -m module arguments`, in a fork if possible.

        The other arguments are those of `asyncio.create_subprocess_exec`.
        """
        if (preloader := self._preloader_for(env)) is not None:
            folder = str(cwd or Path.cwd())
            order = {"module": module, "arguments": arguments, "env": dict(env), "cwd": folder}
            return await fork(preloader, order, stdin, stdout, stderr)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def _preloader_for(self, environment: Mapping[str, str]) -> Preloader | None:
        if not self._is_on:
            return None
        if self._preloader is None:
            self._preloader = Preloader(self.address())
        return self._preloader if self._preloader.suits(environment) else None


of_this_worker = Session()
start = of_this_worker.start


def pytest_configure(config: pytest.Config) -> None:
    """Let the commands of tests be forks."""
    of_this_worker.begin(getattr(config, "workerinput", {}).get("preloader"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let all workers of pytest-xdist use the process that has imported the commands for this one."""
    node.workerinput["preloader"] = of_this_worker.address()


def pytest_unconfigure() -> None:
    """End the preloader."""
    of_this_worker.end()


async def fork(
    preloader: Preloader, order: Mapping[str, Any], stdin: Where, stdout: Where, stderr: Where
) -> PreloadedProcess:
    """Give an order to a preloader; return the process once it has its process id."""
    with ExitStack() as theirs:
        writer, child_stdin = await _input(stdin, theirs)
        out, child_stdout = await _output(stdout, 1, theirs)
        err, child_stderr = (None, child_stdout) if stderr == STDOUT else await _output(stderr, 2, theirs)
        ours, report = socket.socketpair()
        theirs.enter_context(report)
        preloader.send(order, [child_stdin, child_stdout, child_stderr, report.fileno()])
    reader, report_writer = await asyncio.open_connection(sock=ours)
    pid = int(NUMBER.unpack(await reader.readexactly(NUMBER.size))[0])
    process = PreloadedProcess(pid, reader, writer, out, err)
    process._exit.add_done_callback(lambda _: report_writer.close())
    return process


async def _input(where: Where, theirs: ExitStack) -> tuple[asyncio.StreamWriter | None, int]:
    """Return our end of a process's standard input, if it is a pipe, and the file that the process gets."""
    if where != PIPE:
        return None, _file_of(where, 0, theirs)
    read, write = os.pipe()
    theirs.callback(os.close, read)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(write, "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop), read


async def _output(where: Where, inherited: int, theirs: ExitStack) -> tuple[asyncio.StreamReader | None, int]:
    """Return our end of a process's output, if it is a pipe, and the file that the process gets."""
    if where != PIPE:
        return None, _file_of(where, inherited, theirs)
    read, write = os.pipe()
    theirs.callback(os.close, write)
    reader = asyncio.StreamReader()
    pipe = os.fdopen(read, "rb", buffering=0)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    return reader, write


def _file_of(where: Where, inherited: int, theirs: ExitStack) -> int:
    if where is None:
        return inherited
    if where == DEVNULL:
        file = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, file)
        return file
    return where if isinstance(where, int) else where.fileno()
