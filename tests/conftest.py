"""Configuration and fixtures for all tests."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gateway.runtime.logs.log_format import OURS
from tests import caches, cases, parallel, ports, preloaded, timed, turns

cases.choose_profile()

OBJECTS = 20_000
"""New objects after which Python's collector examines the young ones; Python's default is 700."""
HOOKS = ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"))
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def pytest_configure(config: pytest.Config) -> None:
    """Load our plugins, and let SIGINT reach the processes that tests start.

    A shell makes background commands ignore SIGINT, and every child inherits that.
    """
    for plugin in (caches, parallel, preloaded, timed, turns):
        config.pluginmanager.register(plugin)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Run Python's collector less often, and never on objects that exist before the first test.

    Otherwise it examines them again and again, for a quarter of the time that the tests take, and for an
    eighth of the time that it takes to import and collect them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])
        gc.enable()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a CI run with a skipped test: everything that tests need is installed there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI") or exitstatus != pytest.ExitCode.OK:
        return
    if skipped := len(reporter.stats.get("skipped", ())):
        reporter.write_line(f"\nCI: {skipped} skipped, where every test must run", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """Fail the test that has left a connection open, not the later test in which Python would notice it.

    pytest sets up this fixture before all others of a test and so finishes it after them. What outlives a
    test is not examined again: otherwise each collection would take a tenth of a second.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Restore the levels and handlers of logging, which commands set for the whole process."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, OURS)]
    handlers, levels = list(root.handlers), [logger.level for logger in loggers]
    yield
    if levels == [logger.level for logger in loggers] and handlers == root.handlers:
        return
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture(autouse=True)
def restored_process() -> Iterator[None]:
    """Restore what commands set for the whole process: hooks, signal handlers, environment and folder.

    Without pytest's own hooks, the tests after such a command would not notice a socket that is never closed.
    """
    hooks = [(module, name, getattr(module, name)) for module, name in HOOKS]
    handlers = [(number, signal.getsignal(number)) for number in SIGNALS]
    environment, folder = _environment(), Path.cwd()
    yield
    for module, name, hook in hooks:
        setattr(module, name, hook)
    for number, handler in handlers:
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    changed = _environment()
    if changed != environment:
        for name in changed.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
    os.chdir(folder)


def _environment() -> dict[str, str]:
    """Return the environment without the variable that pytest sets for each phase of a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def reserved_port() -> Iterator[int]:
    """Reserve a port for a server that the test starts, perhaps several times."""
    with ports.reserved_port() as port:
        yield port


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Provide a port without a listener for the whole test."""
    with ports.closed_port() as port:
        yield port
