"""What the console's page is told: all of a look at first, then what differs from the look before.

Rows are lists in the order of their fields, which the first message names: so a thousand campaigns
cost some hundred kilobytes and a few milliseconds, and their keys are not sent again and again.
"""

import json
from collections.abc import Mapping

from gateway.admin.port import CallerRow, Campaign, ConsoleState, FailedCall, Point, RecordedAction

FIELDS = {kind.__name__: kind._fields for kind in (Campaign, RecordedAction, Point, FailedCall, CallerRow)}


def first(look: ConsoleState) -> bytes:
    """Return the event that tells everything."""
    told = {"first": True, "fields": FIELDS, "gone": []}
    return _event(told | _now(look) | _rows(look, {}, 0, 0) | {"callers": look.callers})


def next_after(told: ConsoleState, look: ConsoleState) -> bytes:
    """Return the event that tells one who knows an earlier look how things stand now."""
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
    """Return an event of the stream; JSON as it is made here is one line of ASCII."""
    return b"data: " + json.dumps(message, separators=(",", ":")).encode() + b"\n\n"
