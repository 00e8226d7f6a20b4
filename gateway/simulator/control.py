"""The control endpoint: what a test or a developer may tell a running simulator, as JSON over HTTP.

    GET    /_control/faults               what goes wrong, how often it has, how often it still will
    POST   /_control/faults               {"kind": "reset", "count": 3, ...}: fields of `Fault`; gives its id
    DELETE /_control/faults[/ID]          take one fault away, or all
    PUT    /_control/campaigns/CAMPAIGN   {"state": "Paused"} or {"exists": false}
    PUT    /_control/buffers[/CAMPAIGN]   {"capacity": 100, "drain_per_s": 5}; of one campaign, or of all
    PUT    /_control/quotas/OPERATION     {"rate": 10, "burst": 10}; rate 0 is no limit
    GET    /_control/stats                the counts
    GET    /_control/journal[/CAMPAIGN]   the calls for dial requests that are remembered
    POST   /_control/reset                begin anew

Nothing here is signed: it is for the machine that the simulator runs on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import unquote

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
_CAMPAIGN_TYPES: Mapping[str, tuple[type, ...]] = {"state": (str,), "exists": (bool,)}


class _NoSuchThing(Exception):  # noqa: N818 - an answer, not an error
    """There is nothing at this path."""


def control(connect: SimulatedConnect, method: str, target: str, body: bytes) -> tuple[int, Any]:
    """Carry out one request to the control endpoint; return the HTTP status and the JSON document."""
    head, *rest = [unquote(part) for part in target.partition("?")[0].removeprefix(PREFIX).split("/")]
    try:
        action = _ACTIONS[method, head]
        return 200, action(connect, rest, _document(body))
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


def _list_faults(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    return {"faults": [asdict(armed) for armed in connect.faults.armed()]}


def _add_fault(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    values = _typed(document, _FAULT_TYPES)
    kind = FaultKind(values.pop("kind", ""))
    return {"id": connect.add_fault(Fault(kind=kind, **values))}


def _remove_faults(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    if not rest:
        connect.clear_faults()
    elif not connect.faults.remove(int(_one(rest))):
        raise _NoSuchThing
    return {}


def _set_campaign(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    campaign, values = _one(rest), _typed(document, _CAMPAIGN_TYPES)
    if values.get("exists") is False:
        if "state" in values:
            raise ValueError("a campaign that does not exist has no state")
        connect.forget_campaign(campaign)
    else:
        connect.set_state(campaign, CampaignState(values.get("state", "Running")))
    return {}


def _set_buffer(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    size = BufferSize(**_typed(document, _BUFFER_TYPES))
    connect.set_buffer(_one(rest) if rest else None, size)
    return {}


def _set_quota(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    values = _typed(document, _QUOTA_TYPES)
    missing = [item.name for item in fields(Quota) if item.name not in values]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be given")
    connect.set_quota(_one(rest), Quota(**values))
    return {}


def _stats(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    return asdict(connect.stats())


def _journal(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    campaign = _one(rest) if rest else None
    return {"calls": [asdict(call) for call in connect.journal if campaign in (None, call.campaign)]}


def _reset(connect: SimulatedConnect, rest: Sequence[str], document: Document) -> Any:
    connect.reset()
    return {}


_ACTIONS: Mapping[tuple[str, str], Callable[[SimulatedConnect, Sequence[str], Document], Any]] = {
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("PUT", "campaigns"): _set_campaign,
    ("PUT", "buffers"): _set_buffer,
    ("PUT", "quotas"): _set_quota,
    ("GET", "stats"): _stats,
    ("GET", "journal"): _journal,
    ("POST", "reset"): _reset,
}
