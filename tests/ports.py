"""Ports for tests and benchmarks that no other process takes.

A process that serves should bind port 0 and say which port it got. These functions are for the other cases:
a process that restarts on its port, a program that cannot report its port, and an address without a
listener.
"""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10_000
"""Ports below this belong to services of the machine."""
FEWEST = 1_000
"""Fewer ports than this are too few to choose from."""


def candidates(ephemeral: tuple[int, int]) -> range:
    """Return the ports to choose from: those that the system never assigns to a socket by itself.

    `ephemeral` is the first and the last port that it does assign. If it assigns almost all, any may be
    chosen.
    """
    first, last = ephemeral
    below, above = range(LOWEST, first), range(max(last + 1, LOWEST), 65_536)
    best = max(below, above, key=len)
    return best if len(best) >= FEWEST else range(LOWEST, 65_536)


@contextmanager
def reserved_port(ports: range | None = None) -> Iterator[int]:
    """Yield a port that is free now, and that no other test, process of a test or benchmark uses at the same
    time.

    Raises `OSError` if none of `ports` is free, by default those of `candidates`.
    """
    ports = candidates(_ephemeral()) if ports is None else ports
    start = random.randrange(len(ports))
    for port in chain(ports[start:], ports[:start]):
        with socket.socket(socket.AF_UNIX) as lock:
            if _is_bound(lock, f"\0dial-gateway-tests-port-{port}") and _is_free(port):
                yield port
                return
    raise OSError(f"no port of {ports.start} to {ports.stop - 1} is free")


@contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """Yield `count` ports, each as from `reserved_port`."""
    with ExitStack() as reserved:
        yield [reserved.enter_context(reserved_port()) for _ in range(count)]


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 that refuses connections, and that no other process can bind."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def _ephemeral() -> tuple[int, int]:
    first, last = EPHEMERAL.read_text(encoding="ascii").split()
    return int(first), int(last)


def _is_free(port: int) -> bool:
    """Return whether a port has no listener on any address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        return _is_bound(probe, ("", port))


def _is_bound(taken: socket.socket, address: "str | tuple[str, int]") -> bool:
    """Bind; a name that starts with a zero byte exists only in this network namespace, without a file, until
    closed.
    """
    try:
        taken.bind(address)
    except OSError:
        return False
    return True
