"""The operations of `connectcampaigns` (V1), as functions from checked input to output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.simulator.campaigns import Campaign, Campaigns
from gateway.simulator.dialing import Dialer, Item
from gateway.simulator.errors import CallError, IllegalCallError
from gateway.simulator.journal import CallRecord
from gateway.simulator.quota import PUT_BATCH

SERVICE = "connectcampaigns"

Output = dict[str, Any] | None
Handler = Callable[[Mapping[str, Any], CallRecord], Output]

_ACCOUNT = "arn:aws:connect-campaigns:us-east-1:000000000000:campaign/"
_PAGE = 50


@dataclass(frozen=True, slots=True)
class V1Operations:
    """What each operation does. `new_id` names campaigns."""

    campaigns: Campaigns
    dialer: Dialer
    new_id: Callable[[], str]

    def handlers(self) -> dict[str, Handler]:
        """Return the operations by name."""
        moves = ("StartCampaign", "PauseCampaign", "ResumeCampaign", "StopCampaign")
        return {
            PUT_BATCH: self._put_dial_request_batch,
            "CreateCampaign": self._create,
            "DescribeCampaign": self._describe,
            "DeleteCampaign": self._delete,
            "ListCampaigns": self._list,
            "GetCampaignState": self._state,
            "GetCampaignStateBatch": self._states,
        } | dict.fromkeys(moves, self._move)

    def tokens(self, arguments: Mapping[str, Any]) -> Sequence[str]:
        """Return the client tokens in a call, of whatever operation."""
        return [item["clientToken"] for item in arguments.get("dialRequests", ())]

    def _put_dial_request_batch(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        campaign = self.campaigns.get(arguments["id"])
        campaign.require_running(record.operation)
        items = [
            Item(item["clientToken"], item["phoneNumber"], item["expirationTime"])
            for item in arguments["dialRequests"]
        ]
        outcome = self.dialer.put(campaign, items, record, record.at)
        # Connect promises no order: backwards, so that a client that goes by position is found out.
        accepted, failed = reversed(outcome.accepted), reversed(outcome.failed)
        return {
            "successfulRequests": [{"clientToken": item.token, "id": item.id} for item in accepted],
            "failedRequests": [
                {"clientToken": item.token, "id": self.new_id(), "failureCode": item.code} for item in failed
            ],
        }

    def _create(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        created = self.campaigns.create(self.new_id(), arguments)
        described = _describe(created)
        return {name: described[name] for name in ("id", "arn", "tags") if name in described}

    def _describe(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        return {"campaign": _describe(self.campaigns.get(arguments["id"]))}

    def _delete(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        # V1's model has no InvalidCampaignStateException here: any state may be deleted.
        self.campaigns.get(arguments["id"])
        self.campaigns.forget(arguments["id"])
        return None

    def _list(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        start, size = _page_start(arguments.get("nextToken")), arguments.get("maxResults", _PAGE)
        instance = arguments.get("filters", {}).get("instanceIdFilter", {}).get("value")
        found = [_describe(campaign) for campaign in self.campaigns]
        found = [each for each in found if instance in (None, each["connectInstanceId"])]
        shown = ("id", "arn", "name", "connectInstanceId")
        page = [{name: each[name] for name in shown} for each in found[start : start + size]]
        more = {"nextToken": str(start + size)} if start + size < len(found) else {}
        return {"campaignSummaryList": page} | more

    def _state(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        return {"state": self.campaigns.get(arguments["id"]).state}

    def _states(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        found, missing = [], []
        for campaign in arguments["campaignIds"]:
            try:
                found.append({"campaignId": campaign, "state": self.campaigns.get(campaign).state})
            except CallError:
                missing.append({"campaignId": campaign, "failureCode": "ResourceNotFound"})
        return {"successfulRequests": found, "failedRequests": missing}

    def _move(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        self.campaigns.move(arguments["id"], record.operation)
        return None


def _describe(campaign: Campaign) -> dict[str, Any]:
    # What nobody has said is filled in, so that a campaign that merely exists can be described.
    return {
        "name": campaign.id[:127],
        "connectInstanceId": "simulator",
        "dialerConfig": {"agentlessDialerConfig": {}},
        "outboundCallConfig": {"connectContactFlowId": "simulator"},
        **campaign.details,
        "id": campaign.id,
        "arn": f"{_ACCOUNT}{campaign.id}",
    }


def _page_start(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdigit()):
        raise IllegalCallError("nextToken is not one that ListCampaigns has given")
    return int(token)
