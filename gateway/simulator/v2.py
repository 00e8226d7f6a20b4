"""The differences of `connectcampaignsv2` (V2, model 2024-04-23)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.simulator.dialing import EMAIL, Item
from gateway.simulator.operations import Version, unchanged
from gateway.simulator.quota import PUT_OUTBOUND_BATCH

_DETAILS = (
    "name",
    "connectInstanceId",
    "channelSubtypeConfig",
    "type",
    "source",
    "connectCampaignFlowArn",
    "entryLimitsConfig",
    "communicationTimeConfig",
    "communicationLimitsOverride",
    "tags",
)
_ALSO_IN_LISTS = ("type", "schedule", "entryLimitsConfig", "connectCampaignFlowArn")
_PHONE_NUMBER, _EMAIL_ADDRESS = "destinationPhoneNumber", "destinationEmailAddress"
_CHANNELS = {"telephony": "TELEPHONY", "sms": "SMS", "email": "EMAIL", "whatsApp": "WHATSAPP"}


def _read(item: Mapping[str, Any]) -> Item:
    # The check has made sure that there is exactly one channel, with its address.
    ((channel, parameters),) = item["channelSubtypeParameters"].items()
    address = parameters[_EMAIL_ADDRESS if channel == EMAIL else _PHONE_NUMBER]
    return Item(item["clientToken"], address, item["expirationTime"], channel)


def _schedule(given: Mapping[str, Any]) -> dict[str, Any]:
    # The check has made Unix seconds of its times.
    return {name: _stamp(value) if isinstance(value, float) else value for name, value in given.items()}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _channels(described: Mapping[str, Any]) -> list[str]:
    config = described.get("channelSubtypeConfig", {})
    return [word for name, word in _CHANNELS.items() if name in config]


def _also(name: str) -> Any:
    return lambda described: described.get(name)


V2 = Version(
    service="connectcampaignsv2",
    put=PUT_OUTBOUND_BATCH,
    items="outboundRequests",
    read=_read,
    buffer_full="BufferLimitExceeded",
    defaults={},
    details={**dict.fromkeys(_DETAILS, unchanged), "schedule": _schedule},
    summary={"channelSubtypes": _channels} | {name: _also(name) for name in _ALSO_IN_LISTS},
    words={},
)
