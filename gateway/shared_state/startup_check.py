"""Checks whether a fleet can use a shared state: for `dial-gateway check`, and before a gateway starts.

Nothing is changed in the store, except that a key of the check's own is written and deleted.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from gateway.runtime.check_result import CheckResult
from gateway.shared_state.commands.keys import LAYOUT, Keys
from gateway.shared_state.commands.script_call import Reply, ScriptCall
from gateway.shared_state.port import SharedStateError, SharedStateRefused
from gateway.shared_state.primary import FLEET_KEYS, FOUND_FOREIGN, Primary, check_layout_reply, evaluation
from gateway.shared_state.rules.membership import LOST_MS
from gateway.shared_state.server import ServerFacts, failure_of
from gateway.shared_state.valkey_connection import Command, ServerError, ValkeyConnection, slot_of
from gateway.shared_state.valkey_state import CLIENT_NAME, StateSettings, slot_map

AGAIN_S = 0.5
"""Seconds after which the layout is looked at again: the beats of a running fleet restore it."""
SCANS, SCANNED = 100, 1000
"""Steps of the search for another program's keys in a store without a layout, and keys in each."""
SCAN_S = 2.0
NO_FILE = (
    "limits: the shared state writes no append-only file (appendonly); unless it is a service that keeps all "
    "writes, it forgets calls when it restarts, and limits then count as full for their periods"
)
NAME_FREE_S, NAME_AGAIN_S = 3.0, 0.2
"""Seconds in which the name of a replica that has just ended becomes free, and between two looks."""


class Remark(NamedTuple):
    """One result of the check, in words for people."""

    result: CheckResult
    words: str


async def refusal_of(settings: StateSettings) -> SharedStateError | None:
    """Return why a gateway cannot use the shared state: a refusal, or that it cannot be reached; or None."""
    try:
        async with aclosing(_remarks(settings)) as remarks:
            async for remark in remarks:
                if remark.result is CheckResult.WRONG:
                    return SharedStateRefused(remark.words)
    except SharedStateError as problem:
        return problem
    return None


async def warning_about_contacts(settings: StateSettings) -> str | None:
    """Return a warning if the server may come back without the calls that contact limits count."""
    try:
        connection, facts = await _open(settings)
    except SharedStateError:
        return None
    connection.close()
    return None if facts.appends else NO_FILE


async def refusal_of_name(settings: StateSettings, name: str) -> SharedStateRefused | None:
    """Return the refusal to start a replica whose name a live one has; None if the name is free.

    The name of a replica that has just ended is waited for. Without the shared state it counts as free: the
    first beat checks it again.
    """
    try:
        connection, _ = await _open(settings)
    except SharedStateError:
        return None
    call = ScriptCall("name", (Keys(settings.prefix).of_fleet("quota"),), (name, LOST_MS))
    until = asyncio.get_running_loop().time() + NAME_FREE_S
    try:
        while await _reply_to(connection, evaluation(call)):
            if asyncio.get_running_loop().time() >= until:
                text = f"another replica of the fleet is running under the name {name!r}: each needs its own"
                return SharedStateRefused(text)
            await asyncio.sleep(NAME_AGAIN_S)
    except SharedStateError:
        pass
    finally:
        connection.close()
    return None


async def remarks_on(settings: StateSettings) -> list[Remark]:
    """Return all results of the check. Raises nothing."""
    remarks: list[Remark] = []
    try:
        async for remark in _remarks(settings):
            remarks.append(remark)  # noqa: PERF401 - an error keeps what was found before it
    except SharedStateError as problem:
        remarks.append(Remark(CheckResult.WRONG, str(problem)))
    return remarks


async def _remarks(settings: StateSettings) -> AsyncGenerator[Remark, None]:
    connection, facts = await _open(settings)
    try:
        keys = Keys(settings.prefix)
        yield Remark(CheckResult.GOOD, f"{facts.program} {facts.version} at {connection.node}, the primary")
        await _check_layout(connection, keys)
        await _check_foreign(connection, keys)
        yield Remark(
            CheckResult.GOOD, f"the prefix {settings.prefix!r} is free or this fleet's; keys are not evicted"
        )
        async for remark in _permissions(connection, keys):
            yield remark
    finally:
        connection.close()


async def _open(settings: StateSettings) -> tuple[ValkeyConnection, ServerFacts]:
    primary: Primary = settings.primary(f"{CLIENT_NAME}check")
    slots = slot_map(settings, primary)
    if slots is None:
        return await primary.open_with_facts()
    try:
        node = await slots.node_of(slot_of(Keys(settings.prefix).layout))
        return await primary.open_with_facts(node)
    finally:
        slots.close()


async def _check_layout(connection: ValkeyConnection, keys: Keys) -> None:
    """Raise `SharedStateRefused` if the store has another layout, or our keys without one."""
    names = (keys.layout, *map(keys.of_fleet, FLEET_KEYS))
    look: Command = evaluation(ScriptCall("layout", names, (LAYOUT, "look")))
    reply = await _reply_to(connection, look)
    if reply == [b"foreign"]:
        await asyncio.sleep(AGAIN_S)
        reply = await _reply_to(connection, look)
    check_layout_reply(keys, reply)


async def _reply_to(connection: ValkeyConnection, command: Command) -> Reply:
    (reply,) = await connection.run_within(SCAN_S, [command])
    if isinstance(reply, ServerError):
        raise failure_of(connection.node, reply)
    return reply


async def _check_foreign(connection: ValkeyConnection, keys: Keys) -> None:
    """Raise `SharedStateRefused` if a store without a layout has keys under the prefix.

    A very large store is searched in part, and a user without the right to SCAN is not refused for that. Keys
    of a replica that starts at the same time are no reason either: it has noted the layout before them.
    """
    if await _reply_to(connection, ("EXISTS", keys.layout)):
        return
    cursor: bytes = b"0"
    for _ in range(SCANS):
        match await _scan(connection, cursor):
            case [bytes(following), [*found]]:
                ours = (f"{keys.prefix}:".encode(), f"{{{keys.prefix}}}:".encode())
                if any(isinstance(key, bytes) and key.startswith(ours) for key in found):
                    if not await _reply_to(connection, ("EXISTS", keys.layout)):
                        raise SharedStateRefused(FOUND_FOREIGN.format(prefix=keys.prefix))
                    await _check_layout(connection, keys)
                    return
                cursor = following
            case _:
                return
        if cursor == b"0":
            return


async def _scan(connection: ValkeyConnection, cursor: bytes) -> Reply:
    try:
        return await _reply_to(connection, ("SCAN", cursor, "COUNT", SCANNED))
    except SharedStateRefused:
        return None


async def _permissions(connection: ValkeyConnection, keys: Keys) -> AsyncGenerator[Remark, None]:
    denied = await _reply_to(connection, evaluation(ScriptCall("probe", (keys.of_fleet("probe"),))))
    names = [name.decode() for name in denied if isinstance(name, bytes)] if isinstance(denied, list) else []
    if names:
        yield Remark(
            CheckResult.WRONG, f"the user lacks a permission: to run {', '.join(dict.fromkeys(names))}"
        )
        return
    token = f"{keys.tokens('check')}check"
    (reply,) = await connection.run_within(SCAN_S, [("EXISTS", token)])
    if isinstance(reply, ServerError) and reply.code not in {"MOVED", "ASK"}:
        yield Remark(CheckResult.WRONG, str(failure_of(connection.node, reply)))
        return
    yield Remark(CheckResult.GOOD, "the user may run the scripts")
    (clients,) = await connection.run_within(SCAN_S, [("CLIENT", "LIST", "TYPE", "normal")])
    if isinstance(clients, ServerError):
        words = (
            "the user may not run CLIENT LIST: after a replica is killed, its part of the quota stays "
            "reserved for the longest outage, or until a replica with the same name starts"
        )
        yield Remark(CheckResult.UNSURE, words)
