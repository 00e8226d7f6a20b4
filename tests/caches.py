"""Write caches of this repository's tests once, before all test workers need them at the same time.

After a fresh clone, each worker would compile every module, rewrite the assertions of every test and make the
tables of characters of Hypothesis for itself: 8 seconds of processor time for each. pytest has no public
function for its part. If a version of pytest has other internals, the workers do it themselves, as without
this module.
"""

import compileall
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import strategies

TREE = Path(__file__).resolve().parents[1]
SOURCES = ("gateway", "clients/python/dialgateway", "benchmarks", "scripts", "tests")


def is_rewritten(file: Path) -> bool:
    """Return whether pytest rewrites the assertions of a file."""
    return file.name == "conftest.py" or file.name.startswith("test_")


def write(config: pytest.Config, files: Sequence[Path]) -> None:
    """Write the bytecode of files that have none, or that have changed, and Hypothesis's tables.

    Each processor has its part of the files.
    """
    processes = os.cpu_count() or 1
    works: list[Callable[[], None]] = [write_tables]
    works += [partial(write_bytecode, config, files[number::processes]) for number in range(processes)]
    for pid in [_started(work) for work in works]:
        os.waitpid(pid, 0)


def _started(work: Callable[[], None]) -> int:
    """Do something in a new process; return its id."""
    if pid := os.fork():
        return pid
    with suppress(Exception):  # the workers do it themselves then
        work()
    os._exit(0)


def write_bytecode(config: pytest.Config, files: Sequence[Path]) -> None:
    """Write the bytecode of files."""
    for file in files:
        with suppress(Exception):  # a file that cannot be compiled fails in the workers, with its error
            if is_rewritten(file):
                rewrite(config, file)
            else:
                compileall.compile_file(file, quiet=2)


def rewrite(config: pytest.Config, file: Path) -> None:
    """Write the bytecode of a test with rewritten assertions, as pytest does when it imports the test."""
    from _pytest.assertion import rewrite as internals
    from _pytest.assertion.rewrite import assertstate_key

    state = config.stash[assertstate_key]
    folder = internals.get_cache_dir(file)
    folder.mkdir(exist_ok=True)
    cached = folder / (file.stem + internals.PYC_TAIL)
    if internals._read_pyc(file, cached, state.trace) is None:
        told, code = internals._rewrite_test(file, config)
        internals._write_pyc(state, code, told, cached)


def write_tables() -> None:
    """Let Hypothesis write its tables of characters, in the folder `.hypothesis`."""
    strategies.text().validate()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Write the caches before pytest-xdist starts its workers."""
    if not sys.dont_write_bytecode:
        write(config, [file for folder in SOURCES for file in sorted((TREE / folder).rglob("*.py"))])
