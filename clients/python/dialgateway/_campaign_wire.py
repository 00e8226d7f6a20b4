"""Between the messages of CampaignService and our values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

import grpc

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

_Named = TypeVar("_Named", bound=StrEnum)


class _WireEnum(Protocol):
    def items(self) -> Iterable[tuple[str, int]]: ...


def _by_number(wire: _WireEnum, values: type[_Named], prefix: str) -> dict[int, _Named]:
    """Index the values that both sides have a name for; the contract may have got more since."""
    names = {prefix + value.name: value for value in values}
    return {number: names[name] for name, number in wire.items() if name in names}


_STATES = _by_number(pb.CampaignState, CampaignState, "CAMPAIGN_STATE_")
_KINDS = _by_number(pb.ActionKind, ActionKind, "ACTION_KIND_")
_REASONS = _by_number(dial_pb.Reason, Reason, "REASON_")


def list_message(page_token: str) -> pb.ListCampaignsRequest:
    """Ask for a page of all campaigns."""
    return pb.ListCampaignsRequest(page_size=PAGE_SIZE, page_token=page_token)


def watch_message(every: timedelta | float) -> pb.WatchCampaignsRequest:
    """Ask to be told changes so often at most."""
    message = pb.WatchCampaignsRequest()
    message.min_interval.FromTimedelta(every if isinstance(every, timedelta) else timedelta(seconds=every))
    return message


def hold_message(campaign_id: str, reason: str, held_requests: HeldRequests) -> pb.HoldCampaignRequest:
    """Ask to hold a campaign."""
    answer = held_requests is HeldRequests.ANSWER
    return pb.HoldCampaignRequest(
        campaign_id=campaign_id,
        reason=reason,
        held_requests=pb.HELD_REQUESTS_ANSWER if answer else pb.HELD_REQUESTS_WAIT,
    )


def campaign(message: pb.Campaign) -> Campaign:
    """Read one campaign."""
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


class Watched:
    """Puts together what a watch tells, to whole states."""

    def __init__(self) -> None:
        self._campaigns: dict[str, Campaign] = {}
        self._changed: set[str] = set()

    def take(self, message: pb.WatchCampaignsResponse) -> CampaignsSeen | None:
        """Take a message; return the state once it is whole."""
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
    """Translate the status that ended a call, with its cause."""
    failure = from_status(code, details, ())
    if isinstance(failure, StreamBroken):  # speaks of dial requests, of which there are none here
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
