"""The messages for the console's page: the whole state first, then the differences to the state before.

Rows are lists in the order of their fields, and the first message names the fields. So the keys are not
repeated, and a thousand campaigns take some hundred kilobytes and a few milliseconds.
"""

import json
from collections.abc import Mapping

from gateway.admin.port import (
    CallerRow,
    Campaign,
    ConsoleState,
    FailedCall,
    GuardRow,
    Point,
    RecordedAction,
    Replica,
    ReplicaPart,
)

_ROWS = (Campaign, RecordedAction, ReplicaPart, Point, FailedCall, CallerRow, Replica, GuardRow)
FIELDS = {kind.__name__: kind._fields for kind in _ROWS}


def first(state: ConsoleState) -> bytes:
    """Return the event with the whole state."""
    message: dict[str, object] = {"first": True, "fields": FIELDS, "gone": []}
    message |= {"callers": state.callers, "replicas": state.replicas}
    return _event(message | _now(state) | _rows(state, {}, 0, 0))


def next_after(previous: ConsoleState, state: ConsoleState) -> bytes:
    """Return the event that leads from an earlier state to the present one."""
    point = previous.points[-1].number if previous.points else 0
    failure = previous.failures[-1].number if previous.failures else 0
    message = _now(state) | _rows(state, previous.campaigns, point, failure)
    message["gone"] = [name for name in previous.campaigns if name not in state.campaigns]
    if previous.callers != state.callers:
        message["callers"] = state.callers
    if previous.replicas != state.replicas:
        message["replicas"] = state.replicas
    return _event(message)


def _now(state: ConsoleState) -> dict[str, object]:
    totals = state.totals._asdict()
    if state.totals.guard is not None:
        totals["guard"] = state.totals.guard._asdict()
    return {"at": state.at, "epoch": state.at - state.offset, "totals": totals}


def _rows(
    state: ConsoleState, previous: Mapping[str, Campaign], point: int, failure: int
) -> dict[str, object]:
    return {
        "campaigns": [row for name, row in state.campaigns.items() if previous.get(name) != row],
        "points": [each for each in state.points if each.number > point],
        "failures": [each for each in state.failures if each.number > failure],
    }


def _event(message: dict[str, object]) -> bytes:
    """Return an event of the stream. Its JSON is one line of ASCII."""
    return b"data: " + json.dumps(message, separators=(",", ":")).encode() + b"\n\n"
