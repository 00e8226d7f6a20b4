"""Tests never choose a port that another process could take before they bind it."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import candidates, closed_port, reserved_port, reserved_ports

TREE = Path(__file__).resolve().parents[2]
OTHER = "from tests.ports import reserved_ports\nwith reserved_ports(50) as ports: print(*ports)"


@pytest.mark.parametrize(
    ("ephemeral", "ports"),
    [
        ((32_768, 60_999), range(10_000, 32_768)),
        ((16_000, 65_535), range(10_000, 16_000)),
        ((1_024, 49_151), range(49_152, 65_536)),
        ((1_024, 65_535), range(10_000, 65_536)),
    ],
)
def test_ports_are_outside_of_those_that_the_system_gives(ephemeral: tuple[int, int], ports: range) -> None:
    assert candidates(ephemeral) == ports


def test_another_process_gets_other_ports() -> None:
    """Two test runs side by side never reserve the same port."""
    with reserved_ports(200) as ours:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", OTHER], cwd=TREE, capture_output=True, text=True, timeout=60, check=True
        )
    theirs = {int(port) for port in done.stdout.split()}
    assert len(set(ours)) == 200
    assert len(theirs) == 50
    assert theirs.isdisjoint(ours)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_port_that_somebody_listens_on_is_not_reserved(host: str) -> None:
    with (
        socket.create_server((host, 0)) as server,
        pytest.raises(OSError, match="is free"),
        reserved_port(range(port := server.getsockname()[1], port + 1)),
    ):
        pass


def test_a_reserved_port_is_free_to_bind() -> None:
    """The owner can listen, stop and listen again, also right after a connection has ended."""
    with reserved_port() as port:
        for _ in range(3):
            with (
                socket.create_server(("127.0.0.1", port)) as server,
                socket.create_connection(("127.0.0.1", port)),
            ):
                server.accept()[0].close()


def test_a_closed_port_refuses_and_stays_closed() -> None:
    with closed_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))


def test_no_test_picks_a_port_before_it_is_bound() -> None:
    """Neither pytest-asyncio's fixtures nor a socket that is closed before its port is used pick one."""
    picks = re.compile(r"unused_(tcp|udp)_port|def free_(port|address)")
    files = {path for folder in ("tests", "benchmarks") for path in (TREE / folder).rglob("*.py")}
    files.discard(Path(__file__))
    assert [path.relative_to(TREE) for path in files if picks.search(path.read_text())] == []
