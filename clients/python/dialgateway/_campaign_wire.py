"""Convert between the messages of CampaignService and the values of this package."""

from __future__ import annotations

from datetime import UTC, timedelta

import grpc

from dialgateway._wire import by_number
from dialgateway.campaigns import (
    Action,
    ActionKind,
    Campaign,
    CampaignsSeen,
    CampaignState,
    HeldRequests,
    Hold,
)
from dialgateway.errors import CallFailed, StreamBroken, from_status
from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1 import dial_request_service_pb2 as dial_pb
from dialgateway.values import Outcome, Reason

PAGE_SIZE = 1000

_STATES = by_number(pb.CampaignState, CampaignState, "CAMPAIGN_STATE_")
_KINDS = by_number(pb.ActionKind, ActionKind, "ACTION_KIND_")
_REASONS = by_number(dial_pb.Reason, Reason, "REASON_")


def list_message(page_token: str) -> pb.ListCampaignsRequest:
    """Return the request for one page of the list of campaigns."""
    return pb.ListCampaignsRequest(page_size=PAGE_SIZE, page_token=page_token)


def watch_message(every: timedelta | float) -> pb.WatchCampaignsRequest:
    """Return the request for changes, at most one message per interval (seconds if a number)."""
    message = pb.WatchCampaignsRequest()
    message.min_interval.FromTimedelta(every if isinstance(every, timedelta) else timedelta(seconds=every))
    return message


def hold_message(campaign_id: str, reason: str, held_requests: HeldRequests) -> pb.HoldCampaignRequest:
    """Return the request to hold a campaign."""
    answer = held_requests is HeldRequests.ANSWER
    return pb.HoldCampaignRequest(
        campaign_id=campaign_id,
        reason=reason,
        held_requests=pb.HELD_REQUESTS_ANSWER if answer else pb.HELD_REQUESTS_WAIT,
    )


def campaign(message: pb.Campaign) -> Campaign:
    """Convert one campaign."""
    return Campaign(
        message.campaign_id,
        _STATES.get(message.state, CampaignState.UNSPECIFIED),
        message.queued,
        message.in_flight,
        message.oldest_wait.ToTimedelta(),
        {outcome: getattr(message.outcomes, outcome.value.lower()) for outcome in Outcome},
        message.accepted_per_second,
        _REASONS.get(message.reason, Reason.UNSPECIFIED),
        message.detail,
        message.since.ToDatetime(UTC) if message.HasField("since") else None,
        message.retry_after.ToTimedelta() if message.HasField("retry_after") else None,
        _hold(message.hold) if message.HasField("hold") else None,
        _action(message.last_action) if message.HasField("last_action") else None,
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
        return CampaignsSeen(message.as_of.ToDatetime(UTC), in_order, changed)


def failure_of(error: grpc.RpcError, code: grpc.StatusCode, details: str | None) -> CallFailed:
    """Return the error for the status that ended a call, with the gRPC error as its cause."""
    failure = from_status(code, details, ())
    if isinstance(failure, StreamBroken):  # its meaning concerns dial requests
        failure = CallFailed(str(failure), code=code)
    failure.__cause__ = error
    return failure


def _hold(message: pb.Hold) -> Hold:
    answer = message.held_requests == pb.HELD_REQUESTS_ANSWER
    held_requests = HeldRequests.ANSWER if answer else HeldRequests.WAIT
    return Hold(message.caller, message.reason, message.hold_time.ToDatetime(UTC), held_requests)


def _action(message: pb.Action) -> Action:
    kind = _KINDS.get(message.kind, ActionKind.UNSPECIFIED)
    done_at = message.action_time.ToDatetime(UTC)
    return Action(kind, message.caller, message.reason, done_at, message.answered)
