"""What is particular to `connectcampaigns` (V1, model 2021-01-30)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.simulator.campaigns import CampaignState
from gateway.simulator.dialing import Item
from gateway.simulator.operations import Version, unchanged
from gateway.simulator.quota import PUT_BATCH

_DETAILS = ("name", "connectInstanceId", "dialerConfig", "outboundCallConfig", "tags")


def _read(item: Mapping[str, Any]) -> Item:
    return Item(item["clientToken"], item["phoneNumber"], item["expirationTime"])


V1 = Version(
    service="connectcampaigns",
    put=PUT_BATCH,
    items="dialRequests",
    read=_read,
    buffer_full="RequestThrottled",
    defaults={
        "dialerConfig": {"agentlessDialerConfig": {}},
        "outboundCallConfig": {"connectContactFlowId": "simulator"},
    },
    details=dict.fromkeys(_DETAILS, unchanged),
    summary={},
    # Its model has no Completed; AWS does not say what V1 calls such a campaign.
    words={CampaignState.COMPLETED: CampaignState.STOPPED},
)
