"""The operations of the outbound campaigns' API, as functions from checked input to output.

V1 and V2 have the same ones under other paths: `Version` names what differs. Both work on the same
campaigns, tokens and buffers, as both are interfaces of one account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.simulator.campaigns import Campaign, Campaigns, CampaignState
from gateway.simulator.dialing import Dialer, Item
from gateway.simulator.errors import CallError, IllegalCallError
from gateway.simulator.journal import CallRecord

Output = dict[str, Any] | None
Handler = Callable[[Mapping[str, Any], CallRecord], Output]

_ARN = "arn:aws:connect-campaigns:us-east-1:000000000000:campaign/"
_MOVES = ("StartCampaign", "PauseCampaign", "ResumeCampaign", "StopCampaign")
_PAGE = 50


@dataclass(frozen=True, slots=True)
class Version:
    """What is particular to one version of the API.

    Attributes:
        service: botocore's name of the service model.
        put: the operation that carries dial requests.
        items: its member with the list of them.
        read: converts a checked member of that list to an `Item`.
        buffer_full: failure code of an item for which the campaign has no room.
        defaults: members of a campaign that the model requires, for a campaign without them.
        details: members of CreateCampaign that DescribeCampaign gives back.
        summary: members of a campaign in a list, beside its ids, and how each is made from the details.
        words: states for which this version has another name.

    """

    service: str
    put: str
    items: str
    read: Callable[[Mapping[str, Any]], Item]
    buffer_full: str
    defaults: Mapping[str, Any]
    details: Mapping[str, Callable[[Any], Any]]
    summary: Mapping[str, Callable[[Mapping[str, Any]], Any]]
    words: Mapping[CampaignState, str]


@dataclass(frozen=True, slots=True)
class Operations:
    """What each operation does. `new_id` names campaigns."""

    version: Version
    campaigns: Campaigns
    dialer: Dialer
    new_id: Callable[[], str]

    def handlers(self) -> dict[str, Handler]:
        """Return the operations by name."""
        return {
            self.version.put: self._put,
            "CreateCampaign": self._create,
            "DescribeCampaign": self._describe,
            "DeleteCampaign": self._delete,
            "ListCampaigns": self._list,
            "ListTagsForResource": self._tags,
            "GetCampaignState": self._state,
            "GetCampaignStateBatch": self._states,
        } | dict.fromkeys(_MOVES, self._move)

    def tokens(self, arguments: Mapping[str, Any]) -> Sequence[str]:
        """Return the client tokens in a call, of whatever operation."""
        return [item["clientToken"] for item in arguments.get(self.version.items, ())]

    def word(self, state: str | None) -> str | None:
        """Return the name of a state in this version; a CallError carries the account's name."""
        return None if state is None else self.version.words.get(CampaignState(state), state)

    def _put(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        campaign = self.campaigns.get(arguments["id"])
        if "source" in campaign.details:
            # Only a campaign without a source accepts pushed requests. AWS does not document the error, so
            # this one is the simulator's choice.
            raise CallError("ValidationException", "The campaign has a source and takes no requests")
        campaign.require_running(record.operation)
        items = [self.version.read(item) for item in arguments[self.version.items]]
        outcome = self.dialer.put(campaign, items, record, self.version.buffer_full)
        # Connect promises no order of results. The reverse order exposes clients that match results by
        # position.
        accepted, failed = reversed(outcome.accepted), reversed(outcome.failed)
        return {
            "successfulRequests": [{"clientToken": item.token, "id": item.id} for item in accepted],
            "failedRequests": [
                {"clientToken": item.token, "id": self.new_id(), "failureCode": item.code} for item in failed
            ],
        }

    def _create(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        created = self.campaigns.create(self.new_id(), arguments, self.version.service)
        described = self._described(created)
        return {name: described[name] for name in ("id", "arn", "tags") if name in described}

    def _describe(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        return {"campaign": self._described(self.campaigns.get(arguments["id"]))}

    def _delete(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        # The models have no InvalidCampaignStateException here: any state may be deleted.
        self.campaigns.get(arguments["id"])
        self.campaigns.forget(arguments["id"])
        return None

    def _list(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        start, size = _page_start(arguments.get("nextToken")), arguments.get("maxResults", _PAGE)
        instance = arguments.get("filters", {}).get("instanceIdFilter", {}).get("value")
        listed = [one for one in self.campaigns if one.service in (None, self.version.service)]
        found = [self._described(campaign) for campaign in listed]
        found = [each for each in found if instance in (None, each["connectInstanceId"])]
        page = [self._summary(each) for each in found[start : start + size]]
        more = {"nextToken": str(start + size)} if start + size < len(found) else {}
        return {"campaignSummaryList": page} | more

    def _tags(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        campaign = self.campaigns.get(arguments["arn"].removeprefix(_ARN))
        return {"tags": campaign.details.get("tags", {})}

    def _state(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        return {"state": self.word(self.campaigns.get(arguments["id"]).state)}

    def _states(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        found, missing = [], []
        for campaign in arguments["campaignIds"]:
            try:
                found.append({"campaignId": campaign, "state": self.word(self.campaigns.get(campaign).state)})
            except CallError:
                missing.append({"campaignId": campaign, "failureCode": "ResourceNotFound"})
        return {"successfulRequests": found, "failedRequests": missing}

    def _move(self, arguments: Mapping[str, Any], record: CallRecord) -> Output:
        self.campaigns.move(arguments["id"], record.operation)
        return None

    def _described(self, campaign: Campaign) -> dict[str, Any]:
        # Members that were never set are filled in, so that a campaign without details can be described.
        given = {
            name: shown(campaign.details[name])
            for name, shown in self.version.details.items()
            if name in campaign.details
        }
        filled = {"name": campaign.id[:127], "connectInstanceId": "simulator", **self.version.defaults}
        return filled | given | {"id": campaign.id, "arn": f"{_ARN}{campaign.id}"}

    def _summary(self, described: Mapping[str, Any]) -> dict[str, Any]:
        shown = {name: described[name] for name in ("id", "arn", "name", "connectInstanceId")}
        made = {name: make(described) for name, make in self.version.summary.items()}
        return shown | {name: value for name, value in made.items() if value is not None}


def unchanged(value: Any) -> Any:
    """Return a detail of a campaign unchanged."""
    return value


def _page_start(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdigit()):
        raise IllegalCallError("nextToken is not one that ListCampaigns has given")
    return int(token)
