"""The exchange of conditions of campaigns, as a call of the script `conditions`.

A stored condition is `version until since text`. The text is a list in JSON: owner, condition or "",
whether the campaign was parked, limit, state.
"""

import json
from collections.abc import Sequence

from gateway.core.campaigns.condition import Condition
from gateway.core.fleet.messages import ConditionsReply, ConditionsRequest, SharedCondition
from gateway.core.model import BATCH_LIMIT
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Argument, Reply, ScriptCall

_TYPES = [str, str, bool, int, str]


def version_key(keys: Keys) -> str:
    """Return the key with the version of the newest condition."""
    return keys.of_fleet("conditions:version")


def version_of(reply: Reply) -> int:
    """Return the version in the reply to an MGET of its key; 0 if there is none."""
    value = reply[0] if isinstance(reply, Sequence) and not isinstance(reply, bytes) and reply else None
    return int(value) if isinstance(value, bytes) and value.isdigit() else 0


def conditions_call(keys: Keys, request: ConditionsRequest) -> ScriptCall:
    """Return the call that records conditions and reads those of other replicas."""
    args: list[Argument] = [request.seen]
    for put in request.puts:
        args += [put.campaign_id, put.pause_ms, put.age_ms, _text(put)]
    names = ("conditions", "conditions:order")
    return ScriptCall("conditions", [*map(keys.of_fleet, names), version_key(keys)], args)


def conditions_reply(reply: Reply) -> ConditionsReply:
    """Return the reply to `conditions_call`. A condition that cannot be read is left out.

    Raises `ValueError`.
    """
    if not isinstance(reply, Sequence) or isinstance(reply, bytes) or len(reply) % 2:
        raise ValueError("the reply to an exchange of conditions has another form")
    version, now_ms, *rows = reply
    if not isinstance(version, int) or not isinstance(now_ms, int):
        raise ValueError("the reply to an exchange of conditions has no version")  # noqa: TRY004
    found = (_condition(now_ms, *row) for row in zip(rows[::2], rows[1::2], strict=True))
    return ConditionsReply(version, tuple(condition for condition in found if condition is not None))


def _text(put: SharedCondition) -> str:
    condition = "" if put.condition is None else put.condition.value
    return json.dumps([put.owner, condition, put.parked, put.limit, put.state])


def _condition(now_ms: int, campaign_id: Reply, value: Reply) -> SharedCondition | None:
    """Return a stored condition, None if somebody has edited it."""
    if not isinstance(campaign_id, bytes) or not isinstance(value, bytes):
        return None
    try:
        _, until_ms, since_ms, text = value.decode().split(" ", 3)
        fields = json.loads(text)
        if not isinstance(fields, list) or [type(field) for field in fields] != _TYPES:
            return None
        owner, condition, parked, limit, state = fields
        return SharedCondition(
            campaign_id=campaign_id.decode(),
            owner=owner,
            condition=Condition(condition) if condition else None,
            parked=parked,
            limit=min(max(limit, 1), BATCH_LIMIT),
            state=state,
            pause_ms=int(until_ms) - now_ms,
            age_ms=now_ms - int(since_ms),
        )
    except ValueError:
        return None
