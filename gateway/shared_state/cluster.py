"""Which node of a cluster has which slot, and how commands get to the node of their keys."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.shared_state.commands.script_call import Reply
from gateway.shared_state.connections import Connections
from gateway.shared_state.first_answer import first_answer
from gateway.shared_state.port import SharedStateError, SharedStateUnavailable
from gateway.shared_state.server import failure_of
from gateway.shared_state.valkey_connection import Command, Node, ServerError, ValkeyConnection, slot_of

REFRESH_EVERY_S = 0.2
"""Seconds between two readings of the map of slots, at least."""
SLOTS_S = 1.0
"""Seconds in which a node must tell the slots."""
SILENT_S = 0.1
"""Seconds without an answer after which another node is asked for the slots too."""

Slots = list[tuple[int, int, Node]]
OpenAny = Callable[[Node], Awaitable[ValkeyConnection]]


class SlotMap:
    """The primaries of a cluster by slot, as one of the `seeds`, or of the nodes found since, tells them.

    `open_any` connects to a node, whatever its role. One map serves all purposes. Each reading begins with
    another node: one that is cut off from the others tells an old map.
    """

    def __init__(self, seeds: Sequence[Node], open_any: OpenAny) -> None:
        self._seeds = list(seeds)
        self._open = open_any
        self._slots: Slots = []
        self._outdated = True
        self._reading: asyncio.Task[None] | None = None
        self._readings = 0
        self._read_at = float("-inf")
        self._problem: SharedStateError | None = None

    def outdated(self) -> None:
        """Note that the map may be wrong, so that it is read again."""
        self._outdated = True

    async def node_of(self, slot: int) -> Node:
        """Return the primary that has a slot. Raises `SharedStateError`."""
        now = asyncio.get_running_loop().time()
        if self._outdated and now >= self._read_at + REFRESH_EVERY_S:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(), name="shared state: slots")
            await asyncio.shield(self._reading)
        for first, last, node in self._slots:
            if first <= slot <= last:
                return node
        raise self._problem or SharedStateUnavailable(f"no node of the cluster has slot {slot}")

    async def _read(self) -> None:
        self._read_at = asyncio.get_running_loop().time()
        try:
            self._slots = await first_answer(self._nodes_in_turn(), self._ask, SILENT_S)
        except SharedStateError as failure:
            self._problem = failure
        else:
            self._outdated, self._problem = False, None

    def _nodes_in_turn(self) -> list[Node]:
        known = list(dict.fromkeys([*self._seeds, *(node for _, _, node in self._slots)]))
        begin = self._readings % len(known)
        self._readings += 1
        return known[begin:] + known[:begin]

    async def _ask(self, node: Node) -> Slots:
        connection = await self._open(node)
        try:
            (reply,) = await connection.run_within(SLOTS_S, [("CLUSTER", "SLOTS")])
        finally:
            connection.close()
        if isinstance(reply, ServerError):
            raise failure_of(node, reply)
        return _slots_in(node, reply)

    def nodes(self) -> set[Node]:
        """Return all primaries."""
        return {node for _, _, node in self._slots}

    def close(self) -> None:
        """Stop reading the map."""
        if self._reading is not None:
            self._reading.cancel()


def _slots_in(asked: Node, reply: Reply) -> Slots:
    """Return the ranges of a reply to CLUSTER SLOTS: first, last, and the primary's host, port and so on."""
    slots: Slots = []
    for row in reply if isinstance(reply, list) else []:
        match row:
            case [int(first), int(last), [host, int(port), *_], *_]:
                name = host.decode() if isinstance(host, bytes) else ""
                slots.append((first, last, _node_named(asked, name, port)))
    return slots


def _node_named(asked: Node, host: str, port: int) -> Node:
    """Return the node that another one names. A host that it does not know is its own."""
    return Node(asked.host if host in {"", "?"} else host, port)


class ClusterRoute:
    """Runs commands on the nodes of a cluster. `connect` makes the connections to one node."""

    def __init__(self, slots: SlotMap, connect: Callable[[Node], Connections]) -> None:
        self._slots = slots
        self._connect = connect
        self._nodes: dict[Node, Connections] = {}

    async def run(self, key: str, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Run commands whose keys are in the slot of `key`. Raises `SharedStateError`.

        A node that does not have the slot refuses them unrun and names the one that has it; they go there
        once.
        """
        node = await self._slots.node_of(slot_of(key))
        replies = await self._run_at(node, commands)
        redirected = [number for number, reply in enumerate(replies) if _redirects(reply)]
        if not redirected:
            return replies
        error = replies[redirected[0]]
        assert isinstance(error, ServerError)  # noqa: S101 - as found above
        if error.code == "MOVED":
            self._slots.outdated()
        again = await self._at_other(node, error, [commands[number] for number in redirected])
        for number, reply in zip(redirected, again, strict=True):
            replies[number] = reply
        return replies

    async def _at_other(
        self, asked: Node, error: ServerError, commands: Sequence[Command]
    ) -> list[Reply | ServerError]:
        host, _, port = error.text.rpartition(" ")[2].rpartition(":")
        if not port.isdigit():
            raise SharedStateUnavailable("the cluster names no node for a slot")
        node = _node_named(asked, host, int(port))
        if error.code == "MOVED":
            return await self._run_at(node, commands)
        asking: list[Command] = []
        for command in commands:
            asking += [("ASKING",), command]
        return (await self._run_at(node, asking))[1::2]

    async def _run_at(self, node: Node, commands: Sequence[Command]) -> list[Reply | ServerError]:
        connections = self._nodes.get(node)
        if connections is None:
            self._forget_former()
            connections = self._nodes[node] = self._connect(node)
        try:
            return await connections.run(commands)
        except SharedStateError:
            self._slots.outdated()
            raise

    def _forget_former(self) -> None:
        """Close the connections to nodes that have no slot any more."""
        for node in self._nodes.keys() - self._slots.nodes():
            self._nodes.pop(node).close()

    @property
    def problem(self) -> SharedStateError | None:
        """The problem of a node that is away; None if there is none."""
        return next((found for node in self._nodes.values() if (found := node.problem)), None)

    def start(self) -> None:
        """Do nothing: nodes are connected to when they are needed."""

    def lost(self, problem: SharedStateError) -> None:
        """Close the connections to all nodes."""
        for connections in self._nodes.values():
            connections.lost(problem)

    def close(self) -> None:
        """Close all connections."""
        for connections in self._nodes.values():
            connections.close()


def _redirects(reply: Reply | ServerError) -> bool:
    return isinstance(reply, ServerError) and reply.code in {"MOVED", "ASK"}
