"""A tick as a call of the script `tick`, and its reply."""

import json
from collections.abc import Iterator

from gateway.core.fleet.messages import FleetSettings, Member, PermitGrant, TickReply, TickRequest
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Reply, ScriptCall

_PERMIT_FIELDS, _MEMBER_FIELDS = 6, 5


def tick_call(keys: Keys, request: TickRequest) -> ScriptCall:
    """Return the call that carries out a tick."""
    demand = [
        (
            row.priority.value,
            row.caller,
            row.campaign_id,
            row.calls,
            int(row.full),
            row.weight,
            int(row.doubtful),
        )
        for row in request.demand
    ]
    fields = {
        "member": request.member,
        "name": request.name,
        "sequence": request.sequence,
        "settings": _settings(request.settings),
        "acknowledged": request.acknowledged,
        "epoch": request.epoch,
        "known": [_known(member) for member in request.known],
        "used": request.used,
        "returned": request.returned,
        "in_flight": request.in_flight,
        "room": request.room,
        "throttled": request.throttled,
        "accepted": request.accepted,
        "first_attempts": request.first_attempts,
        "retries": request.retries,
        "retries_waiting": request.retries_waiting,
        "demand": demand,
        "gone": request.gone,
        "leaving": request.leaving,
    }
    return ScriptCall("tick", (keys.of_fleet("quota"),), (json.dumps(fields),))


def _settings(settings: FleetSettings) -> dict[str, float]:
    return {
        "call_rate": settings.call_rate,
        "call_burst": settings.call_burst,
        "replay_window_s": settings.replay_window_s,
        "longest_outage_s": settings.longest_outage_s,
    }


def _known(member: Member) -> dict[str, str | float]:
    return {
        "member": member.member,
        "name": member.name,
        "local_rate": member.local_rate,
        "local_burst": member.local_burst,
    }


def tick_reply(reply: Reply) -> TickReply:
    """Read the reply to a tick. Raises `ValueError` if it has another form."""
    found = json.loads(reply) if isinstance(reply, bytes) else None
    if not isinstance(found, list):
        raise ValueError("the reply to a tick must be a list")  # noqa: TRY004 - the adapter's one kind of error
    values = iter([_text(value) for value in found])
    try:
        return _read(values)
    except StopIteration:
        raise ValueError("the reply to a tick is too short") from None


def _read(values: Iterator[str]) -> TickReply:
    epoch, rate, tokens, backlog, credit = (next(values) for _ in range(5))
    settings = FleetSettings(*(float(next(values)) for _ in range(4)))
    differing = next(values)
    permits = tuple(_permit(_take(values, _PERMIT_FIELDS)) for _ in range(int(next(values))))
    members = tuple(_member(_take(values, _MEMBER_FIELDS)) for _ in range(int(next(values))))
    return TickReply(
        epoch=epoch,
        members=members,
        settings=settings,
        rate=float(rate),
        permits=permits,
        tokens=float(tokens),
        backlog=int(backlog),
        retry_credit=float(credit),
        differing=tuple(differing.split(",")) if differing else (),
        name_taken=not epoch,
    )


def _take(values: Iterator[str], count: int) -> list[str]:
    return [next(values) for _ in range(count)]


def _permit(fields: list[str]) -> PermitGrant:
    number, count, start, end = (int(text) for text in fields[:4])
    return PermitGrant(number, count, start, end, fields[4], fields[5])


def _member(fields: list[str]) -> Member:
    member, name, lost, rate, burst = fields
    return Member(member, name, lost == "1", float(rate), float(burst))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    raise ValueError("the reply to a tick must contain texts and integers")
