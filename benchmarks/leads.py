"""Measures how fast dialctl checks and sends lists, compared with another checkout's dialctl if named."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.processes import gateway, sink

CHECK_ROWS, CHECK_S, CHECK_MB = 1_000_000, 30.0, 200.0
SEND_ROWS, SEND_RATE = 60_000, 0.95
RUNS = 3


def run(other: Path | None = None) -> bool:
    """Check and send; `other` is a checkout whose dialctl sends in turns with this one, for the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        return all([_checks(Path(folder)), _sends(Path(folder), other)])


def _checks(folder: Path) -> bool:
    file = _list(folder, CHECK_ROWS)
    took, max_mb = _dialctl(folder, "check", file.name, "--campaign", "c", "--expires-in", "10m")
    print(f"check of {CHECK_ROWS:,} rows: {took:.1f} s (bar {CHECK_S:g}), {max_mb:.0f} MB (bar {CHECK_MB:g})")
    return took <= CHECK_S and max_mb < CHECK_MB


def _sends(folder: Path, other: Path | None) -> bool:
    file = _list(folder, SEND_ROWS)
    rates: dict[str, list[float]] = {"this": [], "other": []}
    with sink() as url, gateway(url, call_rate="0") as (address, _):
        for turn in range(2 * RUNS):
            name, environment = ("other", _of(other)) if turn % 2 and other else ("this", {})
            results = folder / f"{turn}.csv"
            arguments = (
                file.name,
                "--campaign",
                f"c{turn}",
                "--expires-in",
                "10m",
                "--quiet",
                "--gateway",
                address,
            )
            took, max_mb = _dialctl(folder, "send", *arguments, "--results", str(results), **environment)
            rates[name].append(SEND_ROWS / took)
            print(f"send of {SEND_ROWS:,} rows, {name} dialctl: {SEND_ROWS / took:,.0f}/s, {max_mb:.0f} MB")
    if other is None:
        return True
    ratio = statistics.median(rates["this"]) / statistics.median(rates["other"])
    print(f"rate of this dialctl compared with the other: {ratio:.2f} (bar {SEND_RATE:g})")
    return ratio >= SEND_RATE


def _of(other: Path) -> Mapping[str, str]:
    return {"PYTHONPATH": str(other.resolve() / "clients" / "python")}


def _list(folder: Path, rows: int) -> Path:
    file = folder / f"{rows}.csv"
    with file.open("w", encoding="utf-8") as opened:
        opened.write("client_token,phone_number,first_name,account\n")
        opened.writelines(_rows(rows))
    return file


def _rows(rows: int) -> Iterator[str]:
    return (f"lead-{number},+1202{number:07},Ann {number % 1000},{number}\n" for number in range(rows))


def _dialctl(folder: Path, *arguments: str, **environment: str) -> tuple[float, float]:
    """Run dialctl to its end; return its duration in seconds and its peak memory in MB."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "dialgateway.dialctl", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.monotonic() - started, usage.ru_maxrss * 1024 / 1e6
