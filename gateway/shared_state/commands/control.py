"""The exchange of holds and actions, and the reports for listings, as calls of scripts."""

import json
from collections.abc import Iterator, Mapping, Sequence

from gateway.core.campaigns.holds import TooManyHolds
from gateway.core.fleet.messages import ControlReply, ControlRequest, FleetAction, FleetActionKind
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Argument, Reply, ScriptCall
from gateway.shared_state.port import ActionTooLate

UNREADABLE = "this record of the shared state cannot be read"
"""The reason of a hold whose record somebody has edited. The campaign stays held until it is released."""
_TOO_LATE, _TOO_MANY, _NOT_HELD = -2, -1, 0
_KINDS = {kind.value: kind for kind in FleetActionKind}


# --- exchange ----------------------------------------------------------------------------------------


def control_call(keys: Keys, request: ControlRequest) -> ScriptCall:
    """Return the call that tells the store about this replica and reads what has changed."""
    versions = [*request.answered, *request.asks]
    args: list[Argument] = ["exchange", request.member, request.seen, int(request.looking)]
    args += [len(request.answered), *request.answered.values(), len(request.asks)]
    args += [len(request.recorded), *request.recorded]
    for hold in request.unrecorded:
        args += [hold.campaign_id, hold.version, hold.at_ms, _text(hold)]
    return ScriptCall("control", [*_keys(keys), *(_answered_key(keys, number) for number in versions)], args)


def control_reply(request: ControlRequest, reply: Reply) -> ControlReply:
    """Return the reply to `control_call`. Raises `ValueError`."""
    version, now_ms, lost, looking, changed, holds, actions, seen, answered = _list(reply, 9)
    counts = zip(request.asks, _list(answered), strict=True)
    return ControlReply(
        version=_int(version),
        now_ms=_int(now_ms),
        holds=tuple(_hold(*each) for each in _pairs(holds)) if changed else None,
        actions=tuple(filter(None, map(_action, _list(actions)))),
        lost=bool(lost),
        looking=bool(looking),
        seen={_str(member): _seen(value) for member, value in _pairs(seen)},
        answered={number: _counts(each) for number, each in counts},
    )


# --- actions -----------------------------------------------------------------------------------------


def act_call(keys: Keys, action: FleetAction) -> ScriptCall:
    """Return the call that records an action."""
    return ScriptCall(
        "control", _keys(keys), [action.kind.value, action.campaign_id, _text(action), action.at_ms]
    )


def act_reply(action: FleetAction, reply: Reply) -> FleetAction | None:
    """Return the recorded action, None for a release of no hold.

    Raises `TooManyHolds`, `ActionTooLate` and `ValueError`.
    """
    result, *recorded = _list(reply)
    if result == _TOO_LATE:
        raise ActionTooLate
    if result == _TOO_MANY:
        raise TooManyHolds
    if result == _NOT_HELD:
        return None
    version, at_ms = map(_int, _list(recorded, 2))
    return FleetAction(
        action.kind, action.campaign_id, action.caller, action.reason, action.answering, version, at_ms
    )


# --- reports -----------------------------------------------------------------------------------------


def publish_call(keys: Keys, member: str, report: bytes, keep_s: float) -> ScriptCall:
    """Return the call that publishes a report."""
    return ScriptCall("publish", [keys.of_fleet("reports")], [member, round(keep_s * 1000), report])


def reports_call(keys: Keys) -> ScriptCall:
    """Return the call that reads all reports."""
    return ScriptCall("reports", [keys.of_fleet("reports")])


def reports_reply(reply: Reply) -> Mapping[str, bytes]:
    """Return the report of each member. Raises `ValueError`."""
    return {_str(member): _bytes(report) for member, report in _pairs(reply)}


# --- keys and texts ----------------------------------------------------------------------------------


def _keys(keys: Keys) -> list[str]:
    return [keys.of_fleet(name) for name in ("control", "holds", "actions", "seen")]


def _answered_key(keys: Keys, version: int) -> str:
    return keys.of_fleet(f"answered:{version}")


def _text(action: FleetAction) -> str:
    """Return who acts and why, as a text that may follow a campaign id and a space: ids have no space."""
    return json.dumps([action.caller, action.reason, action.answering])


def _hold(campaign_id: Reply, value: Reply) -> FleetAction:
    """Return a stored hold. A hold that cannot be read is still in force."""
    name = _bytes(campaign_id).decode(errors="replace")
    try:
        version, at_ms, text = _bytes(value).decode().split(" ", 2)
        return _action_of(FleetActionKind.HOLD, name, version, at_ms, text)
    except ValueError:
        return FleetAction(FleetActionKind.HOLD, name, "", UNREADABLE)


def _action(value: Reply) -> FleetAction | None:
    """Return an action of the history, None if it cannot be read."""
    try:
        version, at_ms, kind, campaign_id, text = _bytes(value).decode().split(" ", 4)
        return _action_of(_KINDS[kind], campaign_id, version, at_ms, text)
    except (ValueError, KeyError):
        return None


def _action_of(kind: FleetActionKind, campaign_id: str, version: str, at_ms: str, text: str) -> FleetAction:
    """Return an action. Raises `ValueError` if a part of it has another form."""
    fields = json.loads(text)
    if not isinstance(fields, list) or [type(field) for field in fields] != [str, str, bool]:
        raise ValueError(text)
    caller, reason, answering = fields
    return FleetAction(kind, campaign_id, caller, reason, answering, int(version), int(at_ms))


def _seen(value: Reply) -> int:
    version = _bytes(value).partition(b" ")[0]
    return int(version) if version.isdigit() else 0


def _counts(reply: Reply) -> dict[str, int]:
    """Return the counts by member; the field without a name is the time until which they are valid."""
    return {_str(member): _seen(count) for member, count in _pairs(reply) if member}


# --- replies -----------------------------------------------------------------------------------------


def _list(reply: Reply, length: int | None = None) -> Sequence[Reply]:
    if isinstance(reply, (int, bytes)) or reply is None:
        raise ValueError("a list is missing")
    if length is not None and len(reply) != length:
        raise ValueError("a list has another length")
    return reply


def _pairs(reply: Reply) -> Iterator[tuple[Reply, Reply]]:
    flat = _list(reply)
    return zip(flat[::2], flat[1::2], strict=True)


def _int(reply: Reply) -> int:
    if isinstance(reply, int):
        return reply
    raise ValueError("a number is missing")


def _bytes(reply: Reply) -> bytes:
    if isinstance(reply, bytes):
        return reply
    raise ValueError("a text is missing")


def _str(reply: Reply) -> str:
    return _bytes(reply).decode(errors="replace")
