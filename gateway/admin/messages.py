"""The messages for the console's page: the whole state first, then the differences to the state before.

Rows are lists in the order of their fields, and the first message names the fields. So the keys are not
repeated, and a thousand campaigns take some hundred kilobytes and a few milliseconds.
"""

import json
from collections.abc import Mapping

from gateway.admin.port import CallerRow, Campaign, ConsoleState, FailedCall, Point, RecordedAction

FIELDS = {kind.__name__: kind._fields for kind in (Campaign, RecordedAction, Point, FailedCall, CallerRow)}


def first(look: ConsoleState) -> bytes:
    """Return the event with the whole state."""
    told = {"first": True, "fields": FIELDS, "gone": []}
    return _event(told | _now(look) | _rows(look, {}, 0, 0) | {"callers": look.callers})


def next_after(told: ConsoleState, look: ConsoleState) -> bytes:
    """Return the event that leads from an earlier state to the present one."""
    point = told.points[-1].number if told.points else 0
    failure = told.failures[-1].number if told.failures else 0
    message = _now(look) | _rows(look, told.campaigns, point, failure)
    message["gone"] = [name for name in told.campaigns if name not in look.campaigns]
    if told.callers != look.callers:
        message["callers"] = look.callers
    return _event(message)


def _now(look: ConsoleState) -> dict[str, object]:
    return {"at": look.at, "epoch": look.at - look.offset, "totals": look.totals._asdict()}


def _rows(look: ConsoleState, told: Mapping[str, Campaign], point: int, failure: int) -> dict[str, object]:
    return {
        "campaigns": [row for name, row in look.campaigns.items() if told.get(name) != row],
        "points": [each for each in look.points if each.number > point],
        "failures": [each for each in look.failures if each.number > failure],
    }


def _event(message: dict[str, object]) -> bytes:
    """Return an event of the stream. Its JSON is one line of ASCII."""
    return b"data: " + json.dumps(message, separators=(",", ":")).encode() + b"\n\n"
