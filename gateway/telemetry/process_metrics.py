"""Figures of the process and the versions that run, under the standard names of Prometheus' clients."""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.families import Family, Numbers
from gateway.telemetry.metric_definitions import Metric

DISTRIBUTION = "dial-gateway"
_PROC = Path("/proc")
_START_FIELD = 19
"""The position of the start time in /proc/self/stat, behind the name in parentheses (proc(5): field 22)."""


@cache
def gateway_version() -> str:
    """Return the version of the installed gateway, `unknown` if it is not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def process_families(proc: Path = _PROC) -> list[Family]:
    """Return the figures of this process; without `/proc`, which only Linux has, those of the processor.

    It reads some files, one entry for each open descriptor, so it does not belong on the event loop.
    """
    versions = (gateway_version(), platform.python_version())
    found: list[Family] = [Numbers(definitions.BUILD_INFO, [(versions, 1, 0)])]
    found.append(Numbers(definitions.PROCESS_CPU, [((), time.process_time(), 0)], counter=True))
    with suppress(OSError, ValueError, IndexError):
        found += [Numbers(metric, [((), value, 0)]) for metric, value in _of_linux(proc)]
    return found


def _of_linux(proc: Path) -> Iterator[tuple[Metric, float]]:
    """Yield what `/proc` tells of this process. Raises `OSError` without it."""
    pages = (proc / "self" / "statm").read_text(encoding="ascii").split()
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    yield definitions.PROCESS_VIRTUAL, int(pages[0]) * page_bytes
    yield definitions.PROCESS_RESIDENT, int(pages[1]) * page_bytes
    # One of them is the descriptor that lists the folder.
    yield definitions.PROCESS_OPEN_FDS, sum(1 for _ in (proc / "self" / "fd").iterdir()) - 1
    yield definitions.PROCESS_MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield definitions.PROCESS_START, _started_at(proc)


def _started_at(proc: Path) -> float:
    """Return when this process began, in seconds since the epoch."""
    fields = (proc / "self" / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    boot = (proc / "stat").read_text(encoding="ascii").partition("\nbtime ")[2].split()[0]
    return int(boot) + int(fields[_START_FIELD]) / os.sysconf("SC_CLK_TCK")
