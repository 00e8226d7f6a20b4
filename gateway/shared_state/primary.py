"""Finds the server to write to, connects to it, and refuses one that would lose what the fleet needs."""

from collections.abc import Awaitable, Callable

from gateway.shared_state.address import Address
from gateway.shared_state.commands.keys import LAYOUT, Keys
from gateway.shared_state.commands.script_call import Reply, ScriptCall, script
from gateway.shared_state.port import SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.sentinels import primary_of
from gateway.shared_state.server import OLDEST, ServerAccess, ServerFacts, failure_of, open_server
from gateway.shared_state.valkey_connection import Command, Node, ServerError, ValkeyConnection

OpenNode = Callable[[Node | None], Awaitable[ValkeyConnection]]
FOUND_OTHER = (
    "the shared state holds another version's data under the prefix {prefix!r} (layout {found!r}; this "
)
FOUND_OTHER += (
    "version reads layout {ours!r}): nothing was changed; choose another DIAL_GATEWAY_SHARED_STATE_PREFIX"
)
FLEET_KEYS = ("quota", "control", "holds", "actions", "seen", "fingerprint-key")
"""Keys that exist only after the layout was noted."""
FOUND_FOREIGN = (
    "the shared state holds keys of another program under the prefix {prefix!r}: nothing was changed; "
)
FOUND_FOREIGN += "choose another DIAL_GATEWAY_SHARED_STATE_PREFIX"


def problem_with(facts: ServerFacts, address: Address) -> str | None:
    """Return what makes a server unusable until an operator changes it; None if nothing does."""
    if facts.too_old:
        version = facts.version or "without a version"
        return f"{facts.program} {version} is too old: {OLDEST}.0 or later is needed"
    if facts.eviction not in {"", "noeviction"}:
        return (
            f"the server evicts keys when it is full (maxmemory-policy {facts.eviction}), and would forget "
            "client tokens: set maxmemory-policy to noeviction"
        )
    if facts.is_cluster and address.kind == "single":
        return "the server is a node of a cluster: the URL must begin with valkey+cluster:// or valkeys+cluster://"
    return None


class Primary:
    """Opens connections to the primary, each checked; `name` is what the server lists the client as."""

    def __init__(self, address: Address, access: ServerAccess, keys: Keys, name: str, open_s: float) -> None:
        self.address = address
        self.name = name
        self._access = access
        self._keys = keys
        self._open_s = open_s
        self.node: Node | None = None
        """The server found last."""

    async def locate(self) -> Node:
        """Return the primary's address: the one given, or the one that the Sentinels name."""
        nodes = [Node(*each) for each in self.address.nodes]
        if self.address.kind == "sentinel":
            self.node = await primary_of(self.address.service, nodes, self._access, self._open_s)
        else:
            self.node = nodes[0]
        return self.node

    async def open_any(self, node: Node) -> ValkeyConnection:
        """Connect to a server whatever it is."""
        return (await open_server(node, self._access, self.name, self._open_s))[0]

    async def open_with_facts(self, node: Node | None = None) -> tuple[ValkeyConnection, ServerFacts]:
        """Connect to the primary, or to the node that is thought to be one. Raises `SharedStateError`.

        A demoted node answers like any other, so every connection is checked.
        """
        node = node or await self.locate()
        connection, facts = await open_server(node, self._access, self.name, self._open_s)
        try:
            _check(node, facts, self.address)
        except BaseException:
            connection.close()
            raise
        return connection, facts

    async def open(self, node: Node | None = None) -> ValkeyConnection:
        """Connect as `open_with_facts` does."""
        return (await self.open_with_facts(node))[0]

    async def open_ours(self, node: Node | None = None) -> ValkeyConnection:
        """Connect, and note the layout in an empty store; refuse a store with other contents."""
        connection = await self.open(node)
        try:
            await check_layout(connection, self._keys, self._open_s)
        except BaseException:
            connection.close()
            raise
        return connection


def _check(node: Node, facts: ServerFacts, address: Address) -> None:
    if facts.loading:
        raise SharedStateUnavailable(f"{node}: the server is still loading its data")
    if facts.role != "master":
        raise SharedStateUnavailable(f"{node}: the server is a replica, which cannot write")
    if problem := problem_with(facts, address):
        raise SharedStateRefused(f"{node}: {problem}")


async def check_layout(connection: ValkeyConnection, keys: Keys, timeout_s: float) -> None:
    """Note the layout in an empty store, within a time limit.

    Raises `SharedStateRefused` if it is the store of another program.
    """
    call = ScriptCall("layout", (keys.layout, *map(keys.of_fleet, FLEET_KEYS)), (LAYOUT,))
    (reply,) = await connection.run_within(timeout_s, [evaluation(call)])
    if isinstance(reply, ServerError):
        if reply.code == "MOVED":  # a node of a cluster that does not have the fleet's slot
            return
        raise failure_of(connection.node, reply)
    check_layout_reply(keys, reply)


def check_layout_reply(keys: Keys, reply: Reply) -> None:
    """Raise `SharedStateRefused` if the script `layout` found something else than the present layout."""
    match reply:
        case [b"ours"] | [b"new"]:
            return
        case [b"other", bytes(found)]:
            raise SharedStateRefused(other_layout(keys, found))
    raise SharedStateRefused(FOUND_FOREIGN.format(prefix=keys.prefix))


def other_layout(keys: Keys, found: bytes) -> str:
    """Return the error text about another layout, which repeats the layout only if it is a number."""
    version = found.decode("ascii", "replace")
    shown = version if version.isdigit() and len(version) < 6 else "unknown"
    return FOUND_OTHER.format(prefix=keys.prefix, found=shown, ours=LAYOUT)


def evaluation(call: ScriptCall, *, by_hash: bool = False, clock_shift_ms: int = 0) -> Command:
    """Return the command that runs a script: with its text, which the server then knows, or by its hash."""
    known = script(call.script)
    what: Command = ("EVALSHA", known.sha) if by_hash else ("EVAL", known.text)
    return (*what, len(call.keys), *call.keys, *call.args, clock_shift_ms)
