"""A real cluster of three primaries on this host, for tests."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.ports import reserved_ports
from tests.shared_state.servers import Server, running

SLOTS = 16_384
FORM_S = 20.0
"""Seconds in which the nodes must agree; usually it takes 2."""


@contextmanager
def running_cluster(program: str, folder: Path) -> Iterator[list[Server]]:
    """Run a cluster whose slots are divided into three ranges; the address of any node leads to it."""
    with ExitStack() as stack:
        buses = stack.enter_context(reserved_ports(3))
        nodes = [stack.enter_context(running(program, folder / str(bus), _options(bus))) for bus in buses]
        bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
        for node, first, end in zip(nodes, bounds, bounds[1:], strict=False):
            node.command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for number, node in enumerate(nodes, 1):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number)
        for node in nodes[1:]:
            nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port, _bus_port(node))
        _wait_until_formed(nodes)
        yield nodes


def move_slot(slot: int, source: Server, target: Server, nodes: list[Server]) -> None:
    """Give a slot without keys to another node, as an operator does."""
    target_id = target.command("CLUSTER", "MYID")
    for node in [target, source, *nodes]:
        node.command("CLUSTER", "SETSLOT", slot, "NODE", str(target_id))


def _options(bus: int) -> dict[str, str]:
    return {"cluster-enabled": "yes", "cluster-node-timeout": "2000", "cluster-port": str(bus)}


def _bus_port(node: Server) -> int:
    return int(node.options["cluster-port"])


def _wait_until_formed(nodes: list[Server]) -> None:
    until = time.monotonic() + FORM_S
    while time.monotonic() < until:
        states = [str(node.command("CLUSTER", "INFO")) for node in nodes]
        if all("cluster_state:ok" in state and "cluster_known_nodes:3" in state for state in states):
            return
        time.sleep(0.05)
    raise AssertionError("the cluster does not form")
