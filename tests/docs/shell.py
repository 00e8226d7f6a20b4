"""A shell in which the commands of a document run as a reader types them.

It is a real bash, in a folder that looks like a clone. Only the commands of this repository are replaced, by
`shim.py`: it hands the command and its files to the test, which forks a process that has imported everything
(`tests/preloaded.py`). A new interpreter for each command would need ten times the processor time.

`dial-gateway serve` is what a reader starts in another terminal: the shell goes on once it serves, and ends
it with the document, or before the next one. `dialctl watch` ends with its first line. helm only renders,
since there is no cluster.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import uuid
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self

from scripts import tools
from tests import preloaded
from tests.docs.documents import ROOT
from tests.preloader import LONGEST_ORDER, NUMBER

MODULES = {"dialctl": "dialgateway.dialctl", "dial-gateway": "gateway"}
FROM_THE_CLONE = (
    *("Makefile", "pyproject.toml"),
    *("clients", "deploy", "docs", "protos", "requirements", "scripts"),
)
LEADS = 300
"""Rows of the example list that the commands read: it has 2,000, which would take eight seconds to send."""
SERVES = b"health and metrics on"
PATIENCE_S = 60.0
OF_MAKE = ("MAKE", "MFLAGS", "PYTHON", "VENV")
"""Variables that `make test VENV=…` hands down: the `make` of a document would use that environment."""
YES = "y\n" * 10
"""What a reader answers to each question."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What a command has written to both outputs, and its exit code."""

    output: str
    code: int


@dataclass
class Shell:
    """A bash in `folder`; use it as a context manager. `settings` are variables of its environment."""

    folder: Path
    settings: Mapping[str, str]
    _name: str = field(default_factory=lambda: f"dial-gateway-documents-{uuid.uuid4()}")
    _served: preloaded.Process | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._make_folder()
        self._orders = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.bind(f"\0{self._name}")
        self._orders.listen()
        self._orders.setblocking(False)
        self._taking = asyncio.create_task(self._take_orders())
        self._bash = await asyncio.create_subprocess_exec(
            *("bash", "--norc", "--noprofile"),
            stdin=PIPE,
            stdout=PIPE,
            cwd=self.folder,
            env=self._environment(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bash.kill()
        await self._bash.communicate()
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        await self._end_served()
        await asyncio.gather(*self._tasks)
        self._orders.close()

    async def run(self, command: str) -> OperationResult:
        """Run a command, which may change the shell itself, as `export` does."""
        step, output = self.folder / ".step", self.folder / ".output"
        step.write_text(f"{command}\n", encoding="utf-8")
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(b". ./.step <.yes >.output 2>&1; echo $?\n")
        async with asyncio.timeout(PATIENCE_S):
            code = await self._bash.stdout.readline()
        return OperationResult(output.read_text(encoding="utf-8"), int(code))

    def _make_folder(self) -> None:
        commands = self.folder / ".venv" / "bin"
        commands.mkdir(parents=True)
        for name in FROM_THE_CLONE:
            (self.folder / name).symlink_to(ROOT / name)
        for name in (*MODULES, "python", "helm"):
            shim = commands / name
            shim.write_text(f"#!{sys.executable} -IS\n{(ROOT / 'tests/docs/shim.py').read_text()}")
            shim.chmod(0o755)
        (self.folder / ".venv" / ".installed").touch()
        (self.folder / ".yes").write_text(YES)
        (self.folder / "examples").mkdir()
        with (ROOT / "examples" / "leads.csv").open(encoding="utf-8") as leads:
            (self.folder / "examples" / "leads.csv").write_text("".join(islice(leads, LEADS + 1)))

    def _environment(self) -> dict[str, str]:
        path = f"{self.folder / '.venv' / 'bin'}:{os.environ['PATH']}"
        others = (*preloaded.READ_LATE, *OF_MAKE)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        return {**kept, **self.settings, "PATH": path, "DOCUMENT_SHELL": self._name}

    async def _take_orders(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            shim, _ = await loop.sock_accept(self._orders)
            self._tasks.append(asyncio.create_task(self._carry_out(shim)))

    async def _carry_out(self, shim: socket.socket) -> None:
        with shim:
            shim.setblocking(True)
            data, files, _, _ = await asyncio.to_thread(socket.recv_fds, shim, LONGEST_ORDER, 3)
            with _closed_at_the_end(files):
                words, environment = json.loads(data)
                code = await self._run(words, environment, files)
            shim.sendall(NUMBER.pack(code))

    async def _run(self, words: list[str], environment: dict[str, str], files: list[int]) -> int:
        """Run a command of this repository with these files as input and outputs; return its exit code."""
        if words[0] == "helm":
            return await _render(words[1:], self.folder, files)
        module, *arguments = _module_of(words)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(preloaded.READ_LATE)}
        given = {name: value for name, value in environment.items() if name.startswith(preloaded.READ_LATE)}
        endless = words[:2] in (["dial-gateway", "serve"], ["dialctl", "watch"])
        process = await preloaded.start(
            *(module, *arguments),
            env=kept | given,
            cwd=self.folder,
            stdin=files[0],
            stdout=PIPE if endless else files[1],
            stderr=STDOUT if endless else files[2],
        )
        if words[1:2] == ["serve"]:
            return await self._go_on_when_it_serves(process, files[1])
        if endless:
            return await _interrupt_at_the_first_line(process, files[1])
        return await process.wait()

    async def _go_on_when_it_serves(self, process: preloaded.Process, output: int) -> int:
        await self._end_served()
        assert process.stdout is not None
        while line := await process.stdout.readline():
            os.write(output, line)
            if SERVES in line:
                self._served = process
                self._tasks.append(asyncio.create_task(_read_on(process.stdout)))
                return 0
        return await process.wait()

    async def _end_served(self) -> None:
        if self._served is not None:
            with suppress(ProcessLookupError):
                self._served.kill()
            await self._served.wait()
            self._served = None


async def _interrupt_at_the_first_line(process: preloaded.Process, output: int) -> int:
    assert process.stdout is not None
    os.write(output, await process.stdout.readline())
    process.send_signal(signal.SIGINT)
    os.write(output, await process.stdout.read())
    code = await process.wait()
    return 0 if code == 128 + signal.SIGINT else code


async def _read_on(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


async def _render(arguments: list[str], folder: Path, files: list[int]) -> int:
    """Render what helm would install."""
    helm = tools.find("helm")
    assert helm is not None
    words = ["template", *(word for word in arguments if word not in {"install", "upgrade", "--install"})]
    process = await asyncio.create_subprocess_exec(helm, *words, cwd=folder, stdout=files[1], stderr=files[2])
    return await process.wait()


def _module_of(words: list[str]) -> list[str]:
    """Return the module of a command, and its arguments."""
    name, *arguments = words
    if name in MODULES:
        return [MODULES[name], *arguments]
    if arguments[0] == "-m":
        return arguments[1:]
    return [Path(arguments[0]).stem, *arguments[1:]]


@contextmanager
def _closed_at_the_end(files: list[int]) -> Iterator[None]:
    try:
        yield
    finally:
        for file in files:
            os.close(file)


def missing_programs(*names: str) -> list[str]:
    """Return those of the programs that this machine does not have."""
    return [name for name in names if shutil.which(name) is None]
