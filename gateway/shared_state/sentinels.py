"""Asks Sentinels which server is the primary of a service now."""

import asyncio
from collections.abc import Sequence

from gateway.shared_state.commands.script_call import Reply
from gateway.shared_state.port import SharedStateError, SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.server import ServerAccess, failure_of
from gateway.shared_state.valkey_connection import Command, Node, ServerError, ValkeyConnection


async def primary_of(service: str, sentinels: Sequence[Node], access: ServerAccess, timeout_s: float) -> Node:
    """Return the primary that the newest election has chosen. Raises `SharedStateError`.

    All Sentinels are asked, since one that is cut off from the others still names the old primary.
    """
    asked = [_ask(node, service, access, timeout_s) for node in sentinels]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found = [answer for answer in answers if isinstance(answer, tuple)]
    if found:
        return max(found)[1]
    problems = [answer for answer in answers if isinstance(answer, SharedStateError)]
    refused = [problem for problem in problems if isinstance(problem, SharedStateRefused)]
    for problem in refused or problems:
        raise problem
    raise SharedStateUnavailable("no Sentinel answers")


async def _ask(node: Node, service: str, access: ServerAccess, timeout_s: float) -> tuple[int, Node]:
    """Return the number of the last election that a Sentinel knows, and the primary that it names."""
    try:
        async with asyncio.timeout(timeout_s):
            reply = await _reply_of(node, ("SENTINEL", "MASTER", service), access)
    except TimeoutError:
        raise SharedStateUnavailable(f"Sentinel {node}: no reply within {timeout_s:g} s") from None
    if isinstance(reply, ServerError):
        if "No such master" in reply.text:
            raise SharedStateRefused(f"Sentinel {node} knows no service {service!r}")
        raise failure_of(node, reply)
    return _primary_in(node, reply)


async def _reply_of(node: Node, command: Command, access: ServerAccess) -> Reply | ServerError:
    """Ask without a password first: a Sentinel without one refuses any."""
    connection = await ValkeyConnection.open(node, access.tls(), access.resolve)
    try:
        (reply,) = await connection.run([command])
        password = access.password()
        if not isinstance(reply, ServerError) or reply.code != "NOAUTH" or password is None:
            return reply
        user = () if access.user is None else (access.user,)
        entered, reply = await connection.run([("AUTH", *user, password), command])
        return entered if isinstance(entered, ServerError) else reply
    finally:
        connection.close()


def _primary_in(node: Node, reply: Reply) -> tuple[int, Node]:
    texts = [part.decode() for part in reply if isinstance(part, bytes)] if isinstance(reply, list) else []
    fields = dict(zip(texts[::2], texts[1::2], strict=False))
    try:
        return int(fields["config-epoch"]), Node(fields["ip"], int(fields["port"]))
    except (KeyError, ValueError):
        raise SharedStateRefused(f"{node} does not answer as a Sentinel does") from None
