"""How commands get to the server that has their keys: one server, or the nodes of a cluster."""

from collections.abc import Sequence
from typing import Protocol

from gateway.shared_state.commands.script_call import Reply, ScriptCall
from gateway.shared_state.connections import Connections
from gateway.shared_state.port import SharedStateError, SharedStateUnavailable
from gateway.shared_state.primary import evaluation
from gateway.shared_state.server import failure_of
from gateway.shared_state.valkey_connection import Command, ServerError

_STORE = "the shared state"


class Route(Protocol):
    """Runs commands at the server that has the slot of a key."""

    async def run(self, key: str, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Run commands of one slot. Raises `SharedStateError`; after Unavailable they may have been run."""
        ...

    @property
    def problem(self) -> SharedStateError | None:
        """Why a server is away; None if none is."""
        ...

    def start(self) -> None:
        """Begin to connect."""
        ...

    def lost(self, problem: SharedStateError) -> None:
        """Close all connections and connect again."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class SingleRoute:
    """Runs all commands at one server, the primary."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.start, self.lost, self.close = connections.start, connections.lost, connections.close

    async def run(self, key: str, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Run commands."""
        return await self._connections.run(commands)

    @property
    def problem(self) -> SharedStateError | None:
        """Why the server is away."""
        return self._connections.problem


class ScriptRunner:
    """Runs scripts over a route. `clock_shift_ms` moves the store's clock in tests."""

    def __init__(self, route: Route, clock_shift_ms: int = 0) -> None:
        self.route = route
        self.clock_shift_ms = clock_shift_ms

    async def run(self, calls: Sequence[ScriptCall], before: Sequence[Command] = ()) -> list[Reply]:
        """Run scripts in order, in one round trip, after the commands `before`; all keys are of one slot.

        Returns the replies to all. Raises `SharedStateError` for the first error reply. A server that does
        not know a script has not run it, and gets its text.
        """
        shift = self.clock_shift_ms
        commands = [*before, *(evaluation(call, by_hash=True, clock_shift_ms=shift) for call in calls)]
        key = calls[0].keys[0]
        replies = await self.route.run(key, commands)
        unknown = [number for number, reply in enumerate(replies) if _is_unknown(reply)]
        if unknown:
            texts = [evaluation(calls[number - len(before)], clock_shift_ms=shift) for number in unknown]
            for number, reply in zip(unknown, await self.route.run(key, texts), strict=True):
                replies[number] = reply
        return [_checked(reply) for reply in replies]


def _is_unknown(reply: Reply | ServerError) -> bool:
    return isinstance(reply, ServerError) and reply.code == "NOSCRIPT"


def _checked(reply: Reply | ServerError) -> Reply:
    if isinstance(reply, ServerError):
        if reply.code == "ASK":
            raise SharedStateUnavailable("the cluster moves keys at the moment")
        raise failure_of(_STORE, reply)
    return reply
