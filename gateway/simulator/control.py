"""The control endpoint: what a test or a developer can change in a running simulator, as JSON over HTTP.

    GET    /_control/faults               the faults, how often each has occurred and still will
    POST   /_control/faults               {"kind": "reset", "count": 3, ...}: fields of `Fault`; gives its id
    DELETE /_control/faults[/ID]          remove one fault, or all
    PUT    /_control/campaigns/CAMPAIGN   {"state": "Paused"}, {"exists": false}, {"name": "...", "tags": {}}
    PUT    /_control/buffers[/CAMPAIGN]   {"capacity": 100, "drain_per_s": 5}; of one campaign, or of all
    PUT    /_control/quotas/OPERATION     {"rate": 10, "burst": 10}; rate 0 is no limit
    POST   /_control/quotas/OPERATION     {"calls": 5}: spend some now; gives how many were granted
    GET    /_control/callers              other clients, and their calls: granted, throttled
    POST   /_control/callers              {"calls_per_s": 5, "after_s": 10, "for_s": 10}, operation, insists
    DELETE /_control/callers[/ID]         remove one, or all
    GET    /_control/stats                the counts
    GET    /_control/journal[/CAMPAIGN]   the recorded calls with dial requests
    POST   /_control/reset                return to the initial state

Nothing here is signed: it is for the machine that the simulator runs on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import unquote

from gateway.simulator.callers import OtherCaller
from gateway.simulator.campaigns import BufferSize, CampaignState
from gateway.simulator.connect import SimulatedConnect
from gateway.simulator.faults import Fault, FaultKind
from gateway.simulator.quota import Quota

PREFIX = "/_control/"

Document = Mapping[str, Any]

_NUMBER = (int, float)
_FAULT_TYPES: Mapping[str, tuple[type, ...]] = {
    "kind": (str,), "code": (str,), "status": (int,), "message": (str,), "after_work": (bool,),
    "latency_s": _NUMBER, "jitter_s": _NUMBER, "probability": _NUMBER, "count": (int,),
    "operation": (str,), "campaign": (str,), "token": (str,),
}  # fmt: skip
_BUFFER_TYPES: Mapping[str, tuple[type, ...]] = {"capacity": (int,), "drain_per_s": _NUMBER}
_QUOTA_TYPES: Mapping[str, tuple[type, ...]] = {"rate": _NUMBER, "burst": _NUMBER}
_CALLER_TYPES: Mapping[str, tuple[type, ...]] = {
    "calls_per_s": _NUMBER, "after_s": _NUMBER, "for_s": _NUMBER,
    "operation": (str,), "insists": (bool,),
}  # fmt: skip
_CAMPAIGN_TYPES: Mapping[str, tuple[type, ...]] = {
    "state": (str,), "exists": (bool,), "name": (str,), "tags": (dict,),
}  # fmt: skip


class _NoSuchThing(Exception):  # noqa: N818 - an answer, not an error
    """The path does not exist."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A control request: the parts of the path after its prefix, the JSON document, and the time."""

    rest: Sequence[str]
    document: Document
    now: float


def control(
    connect: SimulatedConnect, method: str, target: str, body: bytes, now: float
) -> tuple[int, object]:
    """Carry out one request that arrives at `now`, in Unix seconds; return the HTTP status and the answer."""
    head, *rest = [unquote(part) for part in target.partition("?")[0].removeprefix(PREFIX).split("/")]
    try:
        action = _ACTIONS[method, head]
        return 200, action(connect, _Request(rest, _document(body), now))
    except (KeyError, _NoSuchThing):
        return 404, {"message": f"There is no {method} here; see the documentation of the control endpoint"}
    except (ValueError, TypeError) as error:
        return 400, {"message": str(error)}


def _document(body: bytes) -> Document:
    document = json.loads(body) if body.strip() else {}
    if not isinstance(document, dict):
        raise TypeError("the body must be a JSON object")
    return document


def _typed(document: Document, types: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """Return the members that are set; raise ValueError for an unknown name, TypeError for a wrong type."""
    for name, value in document.items():
        if name not in types:
            raise ValueError(f"there is no {name!r}; there is {', '.join(types)}")
        is_bool = isinstance(value, bool)
        if value is not None and (is_bool != (types[name] == (bool,)) or not isinstance(value, types[name])):
            raise TypeError(f"{name} must be of type {types[name][-1].__name__}")
    return {name: value for name, value in document.items() if value is not None}


def _one(rest: Sequence[str]) -> str:
    if len(rest) != 1 or not rest[0]:
        raise _NoSuchThing
    return rest[0]


def _list_faults(connect: SimulatedConnect, request: _Request) -> object:
    return {"faults": [asdict(active) for active in connect.faults.active()]}


def _add_fault(connect: SimulatedConnect, request: _Request) -> object:
    values = _typed(request.document, _FAULT_TYPES)
    kind = FaultKind(values.pop("kind", ""))
    return {"id": connect.add_fault(Fault(kind=kind, **values))}


def _remove_faults(connect: SimulatedConnect, request: _Request) -> object:
    if not request.rest:
        connect.clear_faults()
    elif not connect.faults.remove(int(_one(request.rest))):
        raise _NoSuchThing
    return {}


def _set_campaign(connect: SimulatedConnect, request: _Request) -> object:
    campaign, values = _one(request.rest), _typed(request.document, _CAMPAIGN_TYPES)
    if values.get("exists") is False:
        if len(values) > 1:
            raise ValueError("a campaign that does not exist has no state, name or tags")
        connect.forget_campaign(campaign)
        return {}
    if "state" in values or not values.keys() & {"name", "tags"}:
        connect.set_state(campaign, CampaignState(values.get("state", "Running")))
    if values.keys() & {"name", "tags"}:
        tags = {str(key): str(value) for key, value in values["tags"].items()} if "tags" in values else None
        connect.rename_campaign(campaign, values.get("name"), tags)
    return {}


def _set_buffer(connect: SimulatedConnect, request: _Request) -> object:
    size = BufferSize(**_typed(request.document, _BUFFER_TYPES))
    connect.set_buffer(_one(request.rest) if request.rest else None, size)
    return {}


def _set_quota(connect: SimulatedConnect, request: _Request) -> object:
    values = _typed(request.document, _QUOTA_TYPES)
    missing = [item.name for item in fields(Quota) if item.name not in values]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be given")
    connect.set_quota(_one(request.rest), Quota(**values))
    return {}


def _consume_quota(connect: SimulatedConnect, request: _Request) -> object:
    calls = _typed(request.document, {"calls": (int,)}).get("calls", 1)
    return {"granted": connect.consume_quota(_one(request.rest), calls, request.now)}


def _list_callers(connect: SimulatedConnect, request: _Request) -> object:
    return {"callers": [asdict(record) for record in connect.callers.records(request.now)]}


def _add_caller(connect: SimulatedConnect, request: _Request) -> object:
    values = {"calls_per_s": 0.0, **_typed(request.document, _CALLER_TYPES)}
    after_s, for_s = values.pop("after_s", 0.0), values.pop("for_s", None)
    if not after_s >= 0:
        raise ValueError("after_s must be 0 or more")
    begin_at = request.now + after_s
    end_at = None if for_s is None else begin_at + for_s
    return {"id": connect.add_caller(OtherCaller(begin_at=begin_at, end_at=end_at, **values))}


def _remove_callers(connect: SimulatedConnect, request: _Request) -> object:
    connect.callers.catch_up(request.now)
    if not request.rest:
        connect.callers.clear()
    elif not connect.callers.remove(int(_one(request.rest))):
        raise _NoSuchThing
    return {}


def _stats(connect: SimulatedConnect, request: _Request) -> object:
    return asdict(connect.stats())


def _journal(connect: SimulatedConnect, request: _Request) -> object:
    campaign = _one(request.rest) if request.rest else None
    return {"calls": [asdict(call) for call in connect.journal if campaign in (None, call.campaign)]}


def _reset(connect: SimulatedConnect, request: _Request) -> object:
    connect.reset()
    return {}


_ACTIONS: Mapping[tuple[str, str], Callable[[SimulatedConnect, _Request], object]] = {
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("PUT", "campaigns"): _set_campaign,
    ("PUT", "buffers"): _set_buffer,
    ("PUT", "quotas"): _set_quota,
    ("POST", "quotas"): _consume_quota,
    ("GET", "callers"): _list_callers,
    ("POST", "callers"): _add_caller,
    ("DELETE", "callers"): _remove_callers,
    ("GET", "stats"): _stats,
    ("GET", "journal"): _journal,
    ("POST", "reset"): _reset,
}
