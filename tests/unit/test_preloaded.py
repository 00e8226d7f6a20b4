"""Commands in forks of a preloaded process behave like commands in new interpreters."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import gateway_service
from tests.preloaded import Imported, PreloadedProcess, Preloader, Process, Session, fork, of_this_worker

PROGRAM = "tests.unit.reported_start"
TREE = Path(__file__).resolve().parents[2]
PATIENCE_S = 30


@pytest.fixture
def session() -> Session:
    """Provide the session that the tests of this worker share."""
    return of_this_worker


async def in_a_new_interpreter(*arguments: str, **options: Any) -> Process:
    """Start the program with asyncio."""
    return await asyncio.create_subprocess_exec(sys.executable, "-m", PROGRAM, *arguments, **options)


async def in_a_fork(session: Session, *arguments: str, **options: Any) -> PreloadedProcess:
    """Start the program in a fork."""
    process = await session.start(PROGRAM, *arguments, **options)
    assert isinstance(process, PreloadedProcess)
    return process


def test_the_processes_of_fault_runs_are_forks(session: Session, tmp_path: Path) -> None:
    """Each of their many gateways would need a second of processor time for its imports otherwise."""
    settings = {"shared_state_url": "valkey://127.0.0.1:1/0", "admin_listen": "127.0.0.1:0"}
    gateway = gateway_service(tmp_path, 1, 1, "http://127.0.0.1:1", settings)
    preloader = Preloader(session.address())
    assert preloader.suits({**os.environ, **gateway.environment})
    preloader.close()


@pytest.mark.parametrize("changes", [{}, {"PYTHONUNBUFFERED": ""}, {"AWS_REGION": "eu-central-1"}])
async def test_a_fork_starts_like_a_new_interpreter(session: Session, changes: Mapping[str, str]) -> None:
    """Arguments, environment, folder, files, signals and standard streams are the same."""
    environment = {**os.environ, **changes}
    pipes: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "env": environment, "cwd": TREE}
    told = []
    for process in (
        await in_a_new_interpreter("3", "--option", "ü", **pipes),
        await in_a_fork(session, "3", "--option", "ü", **pipes),
    ):
        out, err = await process.communicate("line 1\nline ü".encode())
        assert (process.returncode, out.decode()) == (3, "line 1\nline ü")
        told.append(json.loads(err))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("word", "code"), [("text", 1), ("thread", 0), ("handler", 0), ("error", 1), ("unread", 120)]
)
async def test_a_fork_ends_like_a_new_interpreter(session: Session, word: str, code: int) -> None:
    """What happens after the last line of a program has the same exit code and output."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    pipes: dict[str, Any] = {
        "stdin": DEVNULL,
        "stdout": PIPE,
        "stderr": PIPE,
        "env": environment,
        "cwd": TREE,
    }
    ends = []
    for process in (await in_a_new_interpreter(word, **pipes), await in_a_fork(session, word, **pipes)):
        out, err = await process.communicate()
        _, *said = err.decode().splitlines()
        ends.append((process.returncode, out, said[-1:]))
    assert ends[0] == ends[1]
    assert ends[0][0] == code
    assert any(ends[0][1:])


async def test_the_working_directory(session: Session, tmp_path: Path) -> None:
    """A command may run in any folder."""
    process = await in_a_fork(session, "0", env=os.environ, cwd=tmp_path, stdin=DEVNULL, stderr=PIPE)
    _, err = await process.communicate()
    assert json.loads(err)["folder"] == str(tmp_path)


async def test_files_as_standard_streams(session: Session, tmp_path: Path) -> None:
    """Output goes to a file, or where the output of this process goes."""
    with (tmp_path / "output").open("wb") as file:
        process = await in_a_fork(session, "0", env=os.environ, stdin=DEVNULL, stdout=file, stderr=STDOUT)
        assert await process.wait() == 0
    assert json.loads((tmp_path / "output").read_text())["name"] == "__main__"


async def test_inherited_streams(session: Session, capfd: pytest.CaptureFixture[str]) -> None:
    process = await in_a_fork(session, "0", env=os.environ, stdin=DEVNULL)
    assert await process.wait() == 0
    assert json.loads(capfd.readouterr().err)["name"] == "__main__"


def has_ended(process: Process) -> bool:
    """Return whether a process has an exit code."""
    return process.returncode is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
async def test_the_end_by_a_signal(session: Session, number: signal.Signals) -> None:
    """The exit code of a killed process is the negative number of the signal."""
    process = await in_a_fork(session, "wait", env=os.environ, stdout=PIPE, stderr=PIPE)
    assert process.stderr is not None
    await process.stderr.readline()
    assert not has_ended(process)
    process.send_signal(number)
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    assert process.returncode == -number
    assert (b"KeyboardInterrupt" in err) == (number is signal.SIGINT)
    with pytest.raises(ProcessLookupError):
        process.terminate()


async def test_an_early_signal_is_not_lost(session: Session) -> None:
    """SIGINT ends a process that has only just been forked: the preloader itself ignores it."""
    processes = [await in_a_fork(session, "wait", env=os.environ, stderr=DEVNULL) for _ in range(10)]
    for process in processes:
        process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE_S):
        assert {await process.wait() for process in processes} == {-signal.SIGINT}


async def test_forks_are_independent(session: Session) -> None:
    """No fork has files of another one: each sees the end of its input, and its pipes end with it."""
    first, second = [
        await in_a_fork(session, "0", env=os.environ, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        for _ in range(2)
    ]
    async with asyncio.timeout(PATIENCE_S):
        assert await first.communicate(b"one") == (b"one", b"")
        assert not has_ended(second)
        assert await second.communicate(b"two") == (b"two", b"")


async def test_an_environment_that_imports_may_read(session: Session) -> None:
    """If a variable changes how Python imports, a new interpreter runs the command."""
    environment = {**os.environ, "PYTHONOPTIMIZE": "1"}
    process = await session.start(PROGRAM, "0", env=environment, stdin=DEVNULL, stderr=PIPE)
    assert not isinstance(process, PreloadedProcess)
    _, err = await process.communicate()
    assert json.loads(err)["environment"]["PYTHONOPTIMIZE"] == "1"


async def test_without_pytest() -> None:
    """The commands of `make faults` and `make soak` run in new interpreters."""
    process = await Session().start(PROGRAM, "0", env=os.environ, stdin=DEVNULL, stderr=DEVNULL)
    assert not isinstance(process, PreloadedProcess)
    assert await process.wait() == 0


def test_preloaders_of_workers() -> None:
    """Each worker has a process of its own, forked from one. None has a second thread: forks may deadlock."""
    imported = Imported()
    preloaders = [Preloader(imported.address) for _ in range(2)]
    parents = asyncio.run(_parents_of_commands(preloaders))
    assert len({*parents, imported.pid}) == 3
    for preloader in preloaders:
        preloader.close()
    imported.close()
    assert not Path(f"/proc/{imported.pid}").exists()


async def _parents_of_commands(preloaders: list[Preloader]) -> list[int]:
    """Run a command of each preloader; return the process ids of what has forked them."""
    order = {"module": PROGRAM, "arguments": ["wait"], "env": dict(os.environ), "cwd": str(TREE)}
    parents = []
    for preloader in preloaders:
        process = await fork(preloader, order, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        parents.append(parent_of(process.pid))
        process.kill()
        assert await process.wait() == -signal.SIGKILL
    return parents


def parent_of(pid: int) -> int:
    """Return the parent of a process, which has one thread."""
    (parent,) = re.findall(r"^PPid:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert len(list(Path(f"/proc/{parent}/task").iterdir())) == 1
    return int(parent)
