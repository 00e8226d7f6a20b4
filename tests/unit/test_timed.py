"""A test that depends on time is tried again on a busy machine, and only there."""

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Literal

import pytest

from tests import timed

TREE = Path(__file__).resolve().parents[2]
TOLD = "some avg10=97.88 avg60=97.53 avg300=97.64 total=3478039818\nfull avg10=0.00 total=0\n"
FAILS_TWICE = """
import gc
import itertools
import os
import socket
import pytest
from tests import timed

timed._waited_s = {waited_s}
os.getloadavg = lambda: ({runnable}, 0.0, 0.0)
tries = []

@pytest.fixture
def new():
    return []

@pytest.mark.{mark}
def test_it(new):
    left_open = [socket.socket()] if len(tries) < 2 else []
    left_open.append(left_open)
    new.append(1)
    tries.append(1)
    assert len(new) == 1
    assert len(tries) == 3

def test_the_end():
    gc.collect()
    print("{place} tries:", len(tries))
"""


def ran(folder: Path, *options: str, busy: bool, pressure: bool = True, **marks: str) -> str:
    """Run a test that fails twice and then passes in each folder, marked as given for it.

    The machine is said to be busy or not, by its figures of processor pressure or, without them, by the
    number of its runnable processes.
    """
    step_s, runnable = (1000.0, 1e6) if busy else (0.0, 0.0)
    waited_s = f"itertools.count(0.0, {step_s}).__next__" if pressure else "lambda: None"
    for place, mark in marks.items():
        (folder / place).mkdir()
        code = FAILS_TWICE.format(waited_s=waited_s, runnable=runnable, mark=mark, place=place)
        (folder / place / f"test_{place}.py").write_text(code)
    (folder / "conftest.py").write_text(
        "pytest_plugins = ['tests.timed', 'tests.turns']\n"
        "def pytest_configure(config): config.addinivalue_line('markers', 'timed: x')\n"
    )
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers = other: x\n"
        "filterwarnings =\n    error::ResourceWarning\n    error::pytest.PytestUnraisableExceptionWarning\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    done = subprocess.run(  # noqa: S603
        [*command, *options, str(folder)],
        cwd=folder,
        env={"PYTHONPATH": f"{TREE}:{folder}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_how_often_it_is_tried_on_a_busy_machine(tmp_path: Path) -> None:
    """Each try has its own fixtures. The summary names the repeated tests.

    What a try leaves open fails no later test.
    """
    said = ran(tmp_path, busy=True, simulation="timed", integration="other", unit="other")
    assert "simulation tries: 3" in said, said
    assert "integration tries: 2" in said
    assert "unit tries: 1" in said
    assert "FAILED simulation" not in said
    assert "2 x simulation/test_simulation.py::test_it" in said
    assert "1 x integration/test_integration.py::test_it" in said
    assert "x unit/" not in said


def test_how_often_it_is_tried_without_figures_of_pressure(tmp_path: Path) -> None:
    said = ran(tmp_path, busy=True, pressure=False, integration="timed")
    assert "integration tries: 3" in said, said


@pytest.mark.parametrize("pressure", [True, False])
def test_it_is_tried_once_on_a_quiet_machine(tmp_path: Path, *, pressure: bool) -> None:
    said = ran(tmp_path, busy=False, pressure=pressure, integration="timed")
    assert "integration tries: 1" in said, said
    assert "passed" not in said


def test_what_workers_repeated_is_listed(tmp_path: Path) -> None:
    """The list at the end has the tests of all workers."""
    said = ran(tmp_path, "-p", "xdist", "-n", "2", busy=True, unit="timed")
    assert "2 passed" in said, said
    assert "2 x unit/test_unit.py::test_it" in said


def test_workers_send_everything_that_has_not_passed() -> None:
    """A setup or teardown that has failed or was skipped is never left out; nor is any result of a call."""
    outcomes: tuple[Literal["passed", "failed", "skipped"], ...] = ("passed", "failed", "skipped")
    phases: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
    reports = [
        pytest.TestReport("id", ("file", 1, "name"), {}, outcome, None, phase)
        for phase, outcome in product(phases, outcomes)
    ]
    left_out = [report for report in reports if report not in timed.shown(reports)]
    assert [(report.when, report.outcome) for report in left_out] == [
        ("setup", "passed"),
        ("teardown", "passed"),
    ]


def test_what_linux_tells() -> None:
    assert timed.waited_s(TOLD) == pytest.approx(3478.039818)


@pytest.mark.parametrize(("waiting_s", "busy"), [(0.0, False), (4.9, False), (5.1, True)])
def test_when_a_machine_is_busy(waiting_s: float, *, busy: bool) -> None:
    assert timed.was_busy(waiting_s, took_s=10.0, runnable=4.0, processors=4) is busy
    assert timed.was_busy(waiting_s, took_s=10.0, runnable=4.1, processors=4) is busy


@pytest.mark.parametrize(("runnable", "busy"), [(0.0, False), (4.0, False), (4.1, True)])
def test_when_a_machine_without_figures_of_pressure_is_busy(runnable: float, *, busy: bool) -> None:
    assert timed.was_busy(None, took_s=10.0, runnable=runnable, processors=4) is busy
