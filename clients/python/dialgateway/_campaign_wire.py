"""Convert between the messages of CampaignService and the values of this package."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta

import grpc

from dialgateway._status_details import details_of
from dialgateway._wire import by_number
from dialgateway.campaigns import (
    Action,
    ActionDone,
    ActionKind,
    Campaign,
    CampaignsSeen,
    CampaignState,
    Confirmation,
    HeldRequests,
    Hold,
    Replica,
    ReplicaPart,
)
from dialgateway.errors import CallFailed, StreamBroken, from_status
from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1 import compliance_service_pb2 as compliance_pb
from dialgateway.v1 import dial_request_service_pb2 as dial_pb
from dialgateway.values import Outcome, Reason

PAGE_SIZE = 1000
ActionRequest = pb.HoldCampaignRequest | pb.ReleaseCampaignRequest | pb.PurgeCampaignRequest
ActionResponse = pb.HoldCampaignResponse | pb.ReleaseCampaignResponse | pb.PurgeCampaignResponse

_STATES = by_number(pb.CampaignState, CampaignState, "CAMPAIGN_STATE_")
_KINDS = by_number(pb.ActionKind, ActionKind, "ACTION_KIND_")
_REASONS = by_number(dial_pb.Reason, Reason, "REASON_")


def list_message(page_token: str, campaign: str = "") -> pb.ListCampaignsRequest:
    """Return the request for one page of campaigns: all, or only those that match `campaign`."""
    return pb.ListCampaignsRequest(page_size=PAGE_SIZE, page_token=page_token, campaign=campaign)


def require_choice(response: pb.ListCampaignsResponse, campaign: str) -> None:
    """Raise CallFailed if a gateway has listed all campaigns because it does not know how to choose some."""
    if response.campaign != campaign:
        text = "this gateway is too old to find campaigns by pattern, name or tag"
        raise CallFailed(text, code=grpc.StatusCode.UNIMPLEMENTED)


def listed(pages: list[pb.ListCampaignsResponse]) -> CampaignsSeen:
    """Convert all pages of the list of campaigns; instant and replicas are those of the last."""
    found = {message.campaign_id: campaign(message) for page in pages for message in page.campaigns}
    last = pages[-1]
    return CampaignsSeen(last.as_of.ToDatetime(UTC), found, frozenset(), replicas(last.replicas))


def watch_message(every: timedelta | float) -> pb.WatchCampaignsRequest:
    """Return the request for changes, at most one message per interval (seconds if a number)."""
    message = pb.WatchCampaignsRequest()
    message.min_interval.FromTimedelta(every if isinstance(every, timedelta) else timedelta(seconds=every))
    return message


def action_message(
    kind: ActionKind,
    campaign_id: str,
    reason: str,
    held_requests: HeldRequests,
    *,
    known_only: bool = False,
) -> tuple[str, ActionRequest]:
    """Return the method for an action and its request. Raises ValueError for UNSPECIFIED."""
    if kind is ActionKind.HOLD:
        answer = held_requests is HeldRequests.ANSWER
        return "HoldCampaign", pb.HoldCampaignRequest(
            campaign_id=campaign_id,
            reason=reason,
            held_requests=pb.HELD_REQUESTS_ANSWER if answer else pb.HELD_REQUESTS_WAIT,
            known_only=known_only,
        )
    if kind is ActionKind.RELEASE:
        return "ReleaseCampaign", pb.ReleaseCampaignRequest(campaign_id=campaign_id, reason=reason)
    if kind is ActionKind.PURGE:
        return "PurgeCampaign", pb.PurgeCampaignRequest(
            campaign_id=campaign_id, reason=reason, known_only=known_only
        )
    raise ValueError("kind: HOLD, RELEASE or PURGE")


def action_done(response: ActionResponse) -> ActionDone:
    """Convert the response to an action."""
    if isinstance(response, pb.HoldCampaignResponse):
        answered = response.answered
    else:
        answered = response.purged if isinstance(response, pb.PurgeCampaignResponse) else 0
    return ActionDone(campaign(response.campaign), answered, confirmation(response))


def confirmation(
    response: ActionResponse
    | compliance_pb.SuppressNumberResponse
    | compliance_pb.AllowNumberResponse
    | compliance_pb.CheckNumbersResponse,
) -> Confirmation | None:
    """Convert the names of the replicas that have carried out an action; None without a shared state."""
    if not response.HasField("confirmation"):
        return None
    told = response.confirmation
    return Confirmation(tuple(told.confirmed_replicas), tuple(told.unconfirmed_replicas), told.only_here)


def replicas(messages: Iterable[pb.Replica]) -> tuple[Replica, ...]:
    """Convert the replicas of a listing."""
    return tuple(Replica(message.name, message.reported) for message in messages)


def campaign(message: pb.Campaign) -> Campaign:
    """Convert one campaign."""
    return Campaign(
        message.campaign_id,
        _STATES.get(message.state, CampaignState.UNSPECIFIED),
        message.queued,
        message.in_flight,
        message.oldest_wait.ToTimedelta(),
        _outcomes(message.outcomes),
        message.accepted_per_second,
        _REASONS.get(message.reason, Reason.UNSPECIFIED),
        message.detail,
        message.since.ToDatetime(UTC) if message.HasField("since") else None,
        message.retry_after.ToTimedelta() if message.HasField("retry_after") else None,
        _hold(message.hold) if message.HasField("hold") else None,
        _action(message.last_action) if message.HasField("last_action") else None,
        tuple(map(_part, message.replicas)),
        message.name,
        dict(message.tags),
    )


class WatchedCampaigns:
    """Applies the differences that a watch sends to the state of all campaigns."""

    def __init__(self) -> None:
        self._campaigns: dict[str, Campaign] = {}
        self._changed: set[str] = set()

    def add(self, message: pb.WatchCampaignsResponse) -> CampaignsSeen | None:
        """Apply a message. Return the state if it is complete now."""
        for one in map(campaign, message.campaigns):
            self._campaigns[one.campaign_id] = one
            self._changed.add(one.campaign_id)
        for campaign_id in message.gone_campaign_ids:
            self._campaigns.pop(campaign_id, None)
            self._changed.add(campaign_id)
        if not message.complete:
            return None
        changed, self._changed = frozenset(self._changed), set()
        in_order = dict(sorted(self._campaigns.items()))
        return CampaignsSeen(message.as_of.ToDatetime(UTC), in_order, changed, replicas(message.replicas))


def failure_of_operation(error: grpc.RpcError, code: grpc.StatusCode, text: str | None) -> CallFailed:
    """Return the error for the status that ended a call, with the gRPC error as its cause."""
    details = details_of(error)
    failure = from_status(code, text, (), details)
    if isinstance(failure, StreamBroken):  # its meaning concerns dial requests
        failure = CallFailed(str(failure), code=code, reason=details.reason, retry_after=details.retry_after)
    failure.__cause__ = error
    return failure


def _outcomes(message: pb.OutcomeCounts) -> dict[Outcome, int]:
    return {outcome: getattr(message, outcome.value.lower()) for outcome in Outcome}


def _part(message: pb.ReplicaPart) -> ReplicaPart:
    return ReplicaPart(
        message.replica,
        _STATES.get(message.state, CampaignState.UNSPECIFIED),
        message.queued,
        message.in_flight,
        message.oldest_wait.ToTimedelta(),
        _outcomes(message.outcomes),
        message.accepted_per_second,
    )


def _hold(message: pb.Hold) -> Hold:
    answer = message.held_requests == pb.HELD_REQUESTS_ANSWER
    held_requests = HeldRequests.ANSWER if answer else HeldRequests.WAIT
    return Hold(message.caller, message.reason, message.hold_time.ToDatetime(UTC), held_requests)


def _action(message: pb.Action) -> Action:
    kind = _KINDS.get(message.kind, ActionKind.UNSPECIFIED)
    done_at = message.action_time.ToDatetime(UTC)
    return Action(kind, message.caller, message.reason, done_at, message.answered)
