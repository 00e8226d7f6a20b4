"""A real cluster of three primaries on this host, for tests."""

import time
from collections.abc import Callable, Iterator, Sequence
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


@contextmanager
def follower_of(primary: Server, nodes: Sequence[Server], folder: Path) -> Iterator[Server]:
    """Run one more node of a cluster: it follows a primary, and takes over if that one ends."""
    with reserved_ports(1) as (bus,), running(primary.program, folder, _options(bus)) as follower:
        follower.command("CLUSTER", "MEET", "127.0.0.1", primary.port, _bus_port(primary))
        _wait_until_formed([*nodes, follower])
        follower.command("CLUSTER", "REPLICATE", str(primary.command("CLUSTER", "MYID")))
        until_follows(follower)
        yield follower


def until_follows(node: Server) -> None:
    """Wait until a node follows its primary."""
    _wait_until(lambda: "slave" in role_of(node) and "connected" in role_of(node), "the node does not follow")


def role_of(node: Server) -> str:
    """Return what a node says of its role: a `master`, or a `slave` that is `connected` or not."""
    return str(node.command("ROLE"))


def move_slot(slot: int, source: Server, target: Server, nodes: list[Server]) -> None:
    """Give a slot without keys to another node, as an operator does."""
    target_id = target.command("CLUSTER", "MYID")
    for node in [target, source, *nodes]:
        node.command("CLUSTER", "SETSLOT", slot, "NODE", str(target_id))


def _options(bus: int) -> dict[str, str]:
    return {"cluster-enabled": "yes", "cluster-node-timeout": "2000", "cluster-port": str(bus)}


def _bus_port(node: Server) -> int:
    return int(node.options["cluster-port"])


def _wait_until_formed(nodes: Sequence[Server]) -> None:
    known = f"cluster_known_nodes:{len(nodes)}"

    def formed() -> bool:
        states = [str(node.command("CLUSTER", "INFO")) for node in nodes]
        return all("cluster_state:ok" in state and known in state for state in states)

    _wait_until(formed, "the cluster does not form")


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + FORM_S
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(otherwise)
