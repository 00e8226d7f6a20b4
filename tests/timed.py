"""Tests whose result depends on time are repeated if they fail on a busy machine, where it proves nothing.

A test with bounds in seconds is marked with `@pytest.mark.timed` and tried three times. Tests that run real
servers, connections and processes are in folders of their own (`REAL`) and are tried twice. All other tests
are tried once. On a quiet machine the first failure counts. Several workers keep the machine busy, so a test
is repeated while the others wait (`turns.py`): then only other programs can excuse another failure.
"""

import gc
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.turns import turns_of

TIMED_TRIES, REAL_TRIES = 3, 2
REAL = (
    *("cancellation", "client", "console", "docs", "faults", "integration"),
    *("packaging", "peers", "shared_state", "simulator"),
)
"""Folders of tests with real servers, connections and processes."""
BUSY = 0.5
"""Share of a test's time in which a process waited for a processor; above it the machine is busy."""
PRESSURE = Path("/proc/pressure/cpu")
"""Linux's figures of processor pressure; `total` is in microseconds. Some kernels are built without them."""

repeated: list[str] = []
"""Names of the tests that were repeated, once for each repetition."""


def waited_s(told: str) -> float:
    """Return how long processes have waited for a processor since the machine started."""
    some = next(line for line in told.splitlines() if line.startswith("some "))
    return int(some.rpartition("total=")[2]) / 1e6


def was_busy(waiting_s: float | None, took_s: float, runnable: float, processors: int) -> bool:
    """Return whether the machine was too busy for a failure to count.

    `runnable` is the average number of processes that ran or waited for one of the processors in the last
    minute. It decides where Linux does not tell for how long processes have waited.
    """
    if waiting_s is None:
        return runnable > processors
    return waiting_s > BUSY * took_s


def run(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Run a test, and repeat it if it failed on a busy machine; return the reports of the last run."""
    turns = turns_of(item.config)
    with turns.shared():
        reports, excused = _try(item, nextitem)
    for _ in range(tries_of(item) - 1):
        if not excused:
            break
        repeated.append(item.nodeid)
        discard_what_is_open()
        item._initrequest()  # type: ignore[attr-defined] # its fixtures are made anew
        with turns.alone():
            reports, excused = _try(item, nextitem)
    return reports


def tries_of(item: pytest.Item) -> int:
    """Return how often a test is tried at most."""
    if item.get_closest_marker("timed"):
        return TIMED_TRIES
    is_real = any(part in REAL for part in item.path.relative_to(item.config.rootpath).parts[:2])
    return REAL_TRIES if is_real else 1


def discard_what_is_open() -> None:
    """Collect what a failed try has left open. Otherwise its warning fails a later test.

    Python keeps the frames of the last failure for debuggers, and with them everything in them.
    """
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _try(item: pytest.Item, nextitem: pytest.Item | None) -> tuple[list[pytest.TestReport], bool]:
    """Run a test once; return its reports, and whether it failed on a busy machine."""
    began, before = time.monotonic(), _waited_s()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    after, took_s = _waited_s(), time.monotonic() - began
    waiting_s = None if before is None or after is None else after - before
    busy = was_busy(waiting_s, took_s, os.getloadavg()[0], os.cpu_count() or 1)
    return reports, busy and any(report.failed for report in reports)


def _waited_s() -> float | None:
    try:
        return waited_s(PRESSURE.read_text(encoding="ascii"))
    except (OSError, StopIteration):
        return None


def shown(reports: Sequence[pytest.TestReport]) -> list[pytest.TestReport]:
    """Return the reports that a run shows: that of the call, and each that has not passed."""
    return [report for report in reports if report.when == "call" or not report.passed]


def _is_terse(config: pytest.Config) -> bool:
    """Return whether reports are left out that nobody sees: in a worker, if no option asks for them.

    To send a message and to handle it takes a third of a millisecond of a processor.
    """
    option = config.option
    asks_for_more = option.verbose > 0 or option.durations or getattr(option, "xmlpath", None)
    return hasattr(config, "workerinput") and not asks_for_more


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run each test as pytest does, in its turn, and report only the last run of a timed test."""
    if _is_terse(item.config):
        for report in shown(run(item, nextitem)):
            item.ihook.pytest_runtest_logreport(report=report)
        return True
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in run(item, nextitem):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the names of the tests that a worker of pytest-xdist has repeated."""
    repeated.extend(getattr(node, "workeroutput", {}).get("repeated", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the names of repeated tests to the reporting process if this is a worker of pytest-xdist."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["repeated"] = repeated


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the repeated tests, so that such a run is not mistaken for one on a quiet machine."""
    if repeated:
        terminalreporter.section("tests that depend on time, tried again on a busy machine")
        for name in sorted(set(repeated)):
            terminalreporter.line(f"{repeated.count(name)} x {name}")
