"""Let one test have the whole run for itself, while the other workers of pytest-xdist wait.

Each test of a worker runs with a shared lock; a test that is tried again takes the lock for itself, so that
the other tests of this run do not compete with it for the processors. Without workers nobody waits.
"""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

FOLDER = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()
TURNS = pytest.StashKey["Turns"]()


class Turns:
    """Two lock files in a folder that all workers of a run share.

    Everyone passes `gate` before taking `room`, and whoever wants the room alone keeps the gate shut
    meanwhile: otherwise ever new tests could take the shared lock, and the one that waits would never get it.
    """

    def __init__(self, folder: Path) -> None:
        self._gate = (folder / "gate").open("ab")
        self._room = (folder / "room").open("ab")

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Run beside other tests."""
        with _locked(self._gate, fcntl.LOCK_EX):
            fcntl.flock(self._room, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run while no other test does. The caller must not hold the shared lock."""
        with _locked(self._gate, fcntl.LOCK_EX), _locked(self._room, fcntl.LOCK_EX):
            yield

    def close(self) -> None:
        """Close the files, which releases the locks."""
        self._gate.close()
        self._room.close()


@contextmanager
def _locked(file: BinaryIO, how: int) -> Iterator[None]:
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def turns_of(config: pytest.Config) -> Turns:
    """Return the locks of this run; made here where there are no workers."""
    if TURNS not in config.stash:
        config.stash[TURNS] = Turns(Path(_folder(config)))
    return config.stash[TURNS]


def _folder(config: pytest.Config) -> str:
    """Return the folder of this run's locks: the one that a worker was told, or a new one."""
    if (given := getattr(config, "workerinput", {}).get("turns")) is not None:
        return str(given)
    if FOLDER not in config.stash:
        config.stash[FOLDER] = tempfile.TemporaryDirectory(prefix="dial-gateway-tests-")
    return config.stash[FOLDER].name


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a new worker where the locks are."""
    node.workerinput["turns"] = _folder(node.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the locks, and remove their folder."""
    if (turns := config.stash.get(TURNS, None)) is not None:
        turns.close()
    if (folder := config.stash.get(FOLDER, None)) is not None:
        folder.cleanup()
