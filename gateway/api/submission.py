"""Submits the dial requests of one stream or unary call to the dispatcher.

Requests that never come to the core are answered here: those of a campaign that the caller may not dial or
whose name means none, and those that cannot be parsed.
"""

from collections.abc import Sequence

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.grants import DialPermission
from gateway.access.refusal import AccessRefusal
from gateway.api.answer_queue import AnswerQueue
from gateway.api.campaign_names import NamedCampaigns, is_name, not_yet
from gateway.api.gathering import Arrival, Submit
from gateway.api.window import Window
from gateway.api.wire import dial_requests
from gateway.api.wire.incoming import Incoming, Unreadable, UnreadableError
from gateway.core import answers
from gateway.core.model import (
    DOUBT,
    Answer,
    DialRequest,
    Outcome,
    Priority,
    Reason,
    Source,
    Waiter,
    addressed,
)
from gateway.directory.directory import CampaignDirectory
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock
from gateway.telemetry import RpcTrace, Telemetry

_NOT_ALLOWED = answers.rejected(Reason.ACCESS_DENIED, AccessRefusal.CAMPAIGN.text)
_NOT_YET = not_yet(
    Reason.ACCESS_DENIED,
    "campaign_id: the policy of this gateway grants by names or tags of campaigns, which are not known yet",
)


class StreamUnreadableError(Exception):
    """A message of the caller could not be read: it is invalid or too large."""


class Submission:
    """Converts the requests of one `source`, checks what its caller may dial, and submits them."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        telemetry: Telemetry,
        clock: SystemClock,
        trace: RpcTrace,
        source: Source,
        window: Window,
        answer_queue: AnswerQueue,
        permission: DialPermission,
        directory: CampaignDirectory,
    ) -> None:
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._clock = clock
        self._trace = trace
        self._source = source
        self._window = window
        self._answers = answer_queue
        self._permission = permission
        self._directory = directory

    def take_part(self, message: Incoming, limit: int, submit: Submit | None = None) -> None:
        """Submit up to `limit` of the next requests of a message, with `submit` if it is given.

        After a bug, the session answers them. Raises `StreamUnreadableError`.
        """
        try:
            part, campaign_id = message.part(limit), message.campaign_id
        except UnreadableError as error:
            raise StreamUnreadableError from error
        if isinstance(part, Unreadable):
            self._refuse(campaign_id, part)
            return
        counted = self._window.taken + len(part)
        try:
            priority = dial_requests.priority(message.priority)
            if part and is_name(campaign_id):
                self._take_named(campaign_id, part, priority, submit)
            elif part:
                if self._answers.names is not None:
                    self._answers.names.id_sent(campaign_id)
                self.take(campaign_id, part, priority, submit)
        except Exception:
            for item in part[len(part) - (counted - self._window.taken) :]:
                self._window.count_in(DialRequest(campaign_id, item.client_token, "", {}, None, 0))
            raise

    def take(
        self,
        campaign_id: str,
        requests: Sequence[pb.DialRequest],
        priority: Priority,
        submit: Submit | None = None,
    ) -> None:
        """Submit dial requests, for which there must be room; reject those the caller may not dial."""
        (submit or self.submit)(campaign_id, priority, self._arrivals(campaign_id, requests))

    def submit(self, campaign_id: str, priority: Priority, arrivals: Sequence[Arrival]) -> None:
        """Submit dial requests of one campaign, if the caller may dial it at present."""
        grant = self._permission.grant()
        if grant is not None:
            self._source.weight = grant.weight
            self._window.resize_caller_limit(grant.window)
        allowed = self._permission.priority(grant, campaign_id, priority, len(arrivals))
        if allowed is None:
            undecided = self._permission.undecided(grant, campaign_id)
            self._deny(arrivals, self._undenied(_NOT_YET) if undecided else _NOT_ALLOWED)
            return
        self._telemetry.received(campaign_id, self._source.caller, len(arrivals))
        self._dispatcher.submit(arrivals, allowed)
        self._share_joined(arrivals)

    def _take_named(
        self, sent: str, part: Sequence[pb.DialRequest], priority: Priority, submit: Submit | None
    ) -> None:
        """Submit dial requests for a campaign that is given by its name."""
        names = self._answers.names
        if names is None:
            names = self._answers.names = NamedCampaigns(self._directory, self._permission.visible)
        found = names.resolve(sent)
        if isinstance(found, Answer):
            self._deny(self._arrivals(sent, part), self._undenied(found))
            return
        names.requests_named(sent, range(self._window.taken, self._window.taken + len(part)))
        self.take(found, part, priority, submit)

    def _deny(self, arrivals: Sequence[Arrival], answer: Answer) -> None:
        """Answer dial requests that the core does not see.

        They are counted without their campaign: a caller that may not dial it must not create a metric label
        or a listed campaign with its id. After a bug of the gateway, the session answers them instead.
        """
        if self._dispatcher.failing:
            return
        self._telemetry.received("", self._source.caller, len(arrivals))
        denials = [addressed(waiter, request, answer) for waiter, request in arrivals]
        uncampaigned = [settled._replace(campaign_id="") for settled in denials]
        self._telemetry.answered(self._clock.now(), uncampaigned)
        for settled in denials:
            self._answers.deliver(settled)

    def _undenied(self, answer: Answer) -> Answer:
        """Return an answer, with doubt instead of a denial if another replica may have sent the requests."""
        denied = answer.outcome is Outcome.NOT_ACCEPTED and self._dispatcher.shares_ledger
        return answers.unchecked(answer, DOUBT) if denied else answer

    def _refuse(self, campaign_id: str, item: Unreadable) -> None:
        """Reject a dial request that cannot be parsed."""
        request = DialRequest(campaign_id, item.client_token, "", {}, None, 0, in_doubt=item.in_doubt)
        refusal = answers.rejected(Reason.INVALID_REQUEST, item.problem)
        self._deny([self._arrival(request, "", self._clock.now())], refusal)

    def _share_joined(self, arrivals: Sequence[Arrival]) -> None:
        """Replace a joined request by the outstanding one, which frees the memory of the copy."""
        pending, undecided = self._source.pending, self._window.undecided
        for waiter, request in arrivals:
            entry = pending.get(waiter.index)
            if entry is not None and entry.request is not request and waiter.index in undecided:
                undecided[waiter.index] = entry.request

    def _arrivals(self, campaign_id: str, requests: Sequence[pb.DialRequest]) -> list[Arrival]:
        """Convert dial requests and count them as read."""
        now = self._clock.now()
        return [
            self._arrival(dial_requests.dial_request(campaign_id, item), item.traceparent, now)
            for item in requests
        ]

    def _arrival(self, request: DialRequest, traceparent: str, read_at: float) -> Arrival:
        trace_id, span = self._telemetry.request(
            self._trace, traceparent, request.campaign_id, request.client_token
        )
        return Waiter(self._source, self._window.count_in(request), trace_id, span, read_at), request
