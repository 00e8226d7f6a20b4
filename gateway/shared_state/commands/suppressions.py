"""Live suppressions and their exchange, as calls of the script `suppressions`."""

import json
from collections.abc import Sequence

from gateway.core.fleet.suppressions import (
    PAGE,
    Suppression,
    SuppressionsReply,
    SuppressionsRequest,
    TooManySuppressions,
)
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Argument, Reply, ScriptCall
from gateway.shared_state.port import ActionTooLate, KeyDiffers

UNREADABLE = "this record of the shared state cannot be read"
"""The reason of a suppression whose record somebody has edited. The number stays suppressed."""
_KEY_DIFFERS, _TOO_LATE, _TOO_MANY, _NONE = -3, -2, -1, 0


def version_key(keys: Keys) -> str:
    """Return the key with the version of the newest suppression or end."""
    return keys.of_fleet("suppressions:version")


def version_of(reply: Reply) -> int:
    """Return the version in the reply to an MGET of two keys, the second its own; 0 if there is none."""
    value = reply[1] if isinstance(reply, Sequence) and not isinstance(reply, bytes) and reply[1:] else None
    return int(value) if isinstance(value, bytes) and value.isdigit() else 0


def exchange_call(keys: Keys, request: SuppressionsRequest) -> ScriptCall:
    """Return the call that offers suppressions to the store and reads what is newer than a cursor."""
    args: list[Argument] = ["exchange", request.member, request.seen, request.after, request.key]
    args += [int(request.knows), int(request.asks)]
    for offer in request.offers:
        args += [offer.number_hash, offer.version, offer.at_ms, _text(offer)]
    return ScriptCall("suppressions", _keys(keys), args)


def exchange_reply(reply: Reply) -> SuppressionsReply:
    """Return the reply to `exchange_call`. Raises `ValueError`."""
    version, now_ms, key, trimmed, rows, seen = _list(reply, 6)
    flat, members = _list(rows), _list(seen)
    page = tuple(_suppression(*row) for row in zip(flat[::2], flat[1::2], strict=True))
    return SuppressionsReply(
        version=_int(version),
        now_ms=_int(now_ms),
        key=_bytes(key),
        trimmed=_int(trimmed),
        page=page,
        complete=len(page) < PAGE,
        seen={
            _bytes(member).decode(errors="replace"): _seen(value)
            for member, value in zip(members[::2], members[1::2], strict=True)
        },
    )


def suppress_call(keys: Keys, action: Suppression) -> ScriptCall:
    """Return the call that records a suppression."""
    return ScriptCall(
        "suppressions", _keys(keys), ["suppress", action.number_hash, _text(action), action.key]
    )


def end_call(keys: Keys, action: Suppression, *, known: bool) -> ScriptCall:
    """Return the call that records the end of a suppression."""
    args: list[Argument] = ["end", action.number_hash, _text(action), action.at_ms, int(known), action.key]
    return ScriptCall("suppressions", _keys(keys), args)


def action_reply(action: Suppression, reply: Reply) -> Suppression | None:
    """Return the suppression, or its end, that is recorded now; None if there was nothing to end.

    Raises `TooManySuppressions`, `ActionTooLate`, `KeyDiffers` and `ValueError`.
    """
    result, *value = _list(reply)
    if result == _KEY_DIFFERS:
        raise KeyDiffers
    if result == _TOO_LATE:
        raise ActionTooLate
    if result == _TOO_MANY:
        raise TooManySuppressions
    if result == _NONE:
        return None
    (recorded,) = _list(value, 1)
    return _suppression(action.number_hash, recorded)


def _keys(keys: Keys) -> list[str]:
    names = ("version", "counters", "numbers", "order", "ended", "seen")
    return [keys.of_fleet(f"suppressions:{name}") for name in names]


def _text(action: Suppression) -> str:
    return json.dumps([action.actor, action.reason])


def _suppression(number_hash: Reply, value: Reply) -> Suppression:
    """Return a stored suppression or end. It counts even if its text cannot be read."""
    version, at_ms, ended, text = _parts(_bytes(value))
    actor, reason = _said(text)
    return Suppression(_bytes(number_hash), actor, reason, at_ms, version, ended)


def _said(text: str) -> tuple[str, str]:
    """Return actor and reason, as `_text` has written them."""
    try:
        fields = json.loads(text)
    except ValueError:
        return "", UNREADABLE
    if not isinstance(fields, list) or [type(field) for field in fields] != [str, str]:
        return "", UNREADABLE
    return fields[0], fields[1]


def _parts(value: bytes) -> tuple[int, int, bool, str]:
    try:
        version, at_ms, ended, text = value.decode(errors="replace").split(" ", 3)
        return int(version), int(at_ms), ended == "1", text
    except ValueError:
        raise ValueError("a suppression has another form") from None


def _seen(value: Reply) -> int:
    version = _bytes(value).partition(b" ")[0]
    return int(version) if version.isdigit() else 0


def _list(reply: Reply, length: int | None = None) -> Sequence[Reply]:
    if isinstance(reply, (int, bytes)) or reply is None:
        raise ValueError("a list is missing")
    if length is not None and len(reply) != length:
        raise ValueError("a list has another length")
    return reply


def _int(reply: Reply) -> int:
    if isinstance(reply, int):
        return reply
    raise ValueError("a number is missing")


def _bytes(reply: Reply) -> bytes:
    if isinstance(reply, bytes):
        return reply
    raise ValueError("a text is missing")
