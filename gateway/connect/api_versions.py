"""The two versions of Connect's API for outbound campaigns, as far as they differ for a sender.

Names, members and codes are those of the botocore models `connectcampaigns/2021-01-30` (V1) and
`connectcampaignsv2/2024-04-23` (V2). Everything else about a call is the same for both.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from dateutil.tz import tzutc  # type: ignore[import-untyped] # comes with botocore

from gateway.connect.channel_parameters import channel_parameters
from gateway.connect.port import PutReply
from gateway.connect.replies import put_reply
from gateway.core.campaign_id import problem_with_campaign, problem_with_campaign_of_v2
from gateway.core.errors import ChannelNotCarried
from gateway.core.model import DialRequest, ItemFailure

_UTC_OF_BOTOCORE = tzutc()

ApiName = Literal["v1", "v2"]
Item = Mapping[str, Any]

STATES_OPERATION = "GetCampaignStateBatch"
LIST_OPERATION, TAGS_OPERATION = "ListCampaigns", "ListTagsForResource"


@dataclass(frozen=True, slots=True)
class ConnectApi:
    """What differs between the versions of the API.

    `service` is boto3's name of its client, `put_operation` the call that carries dial requests and
    `put_method` the client's method for it; `items` is the member with the list. `item` makes one of it, from
    a dial request, its expiration, and its attributes in the sender's form; it raises `ChannelNotCarried` for
    a channel that the API does not have. `failures` gives the meaning of the failure codes of single items.
    `campaign_problem` returns the rule that a campaign id breaks. `has_channels`: there are others than
    telephone calls.
    """

    service: str
    put_operation: str
    put_method: str
    items: str
    item: Callable[[DialRequest, datetime, object], Item]
    failures: Mapping[str, ItemFailure]
    campaign_problem: Callable[[str], str | None]
    has_channels: bool

    def reply(self, response: object, asked: Collection[str]) -> PutReply:
        """Return the answer to a put call by token, about the tokens that were `asked` about."""
        return put_reply(response, asked, self.failures, self.put_operation)


def expiration_of(request: DialRequest) -> datetime:
    """Return the expiration of a dial request."""
    return datetime.fromtimestamp(request.expiration or 0.0, UTC)


def expiration_for_boto3(request: DialRequest) -> datetime:
    """Return the expiration of a dial request as boto3 takes it."""
    # In botocore's own time zone object: it converts any other first, for each item of each call.
    return expiration_of(request).replace(tzinfo=_UTC_OF_BOTOCORE)


def _v1_item(request: DialRequest, expiration: datetime, attributes: object) -> Item:
    if request.channel is not None:  # the campaign had V2 when the request arrived
        raise ChannelNotCarried
    return {
        "clientToken": request.client_token,
        "phoneNumber": request.phone_number,
        "expirationTime": expiration,
        "attributes": attributes,
    }


def _v2_item(request: DialRequest, expiration: datetime, attributes: object) -> Item:
    channel = request.channel
    return {
        "clientToken": request.client_token,
        "expirationTime": expiration,
        "channelSubtypeParameters": {
            "telephony": {"destinationPhoneNumber": request.phone_number, "attributes": attributes}
        }
        if channel is None
        else channel_parameters(request.phone_number, channel, attributes),
    }


APIS: Mapping[ApiName, ConnectApi] = {
    "v1": ConnectApi(
        service="connectcampaigns",
        put_operation="PutDialRequestBatch",
        put_method="put_dial_request_batch",
        items="dialRequests",
        item=_v1_item,
        failures={
            "InvalidInput": ItemFailure.INVALID_INPUT,
            "RequestThrottled": ItemFailure.CAPACITY,
            "UnknownError": ItemFailure.UNKNOWN_ERROR,
        },
        campaign_problem=problem_with_campaign,
        has_channels=False,
    ),
    "v2": ConnectApi(
        service="connectcampaignsv2",
        put_operation="PutOutboundRequestBatch",
        put_method="put_outbound_request_batch",
        items="outboundRequests",
        item=_v2_item,
        failures={
            "InvalidInput": ItemFailure.INVALID_INPUT,
            "RequestThrottled": ItemFailure.RATE,
            "BufferLimitExceeded": ItemFailure.CAPACITY,
            "UnknownError": ItemFailure.UNKNOWN_ERROR,
        },
        campaign_problem=problem_with_campaign_of_v2,
        has_channels=True,
    ),
}

OPERATIONS = frozenset(
    {STATES_OPERATION, LIST_OPERATION, TAGS_OPERATION, *(api.put_operation for api in APIS.values())}
)
"""Every call that the adapter makes to Connect: any other was made by boto3, for credentials."""
