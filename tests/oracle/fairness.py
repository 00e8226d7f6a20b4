"""Fairness: callers share calls, campaigns of one caller take turns, and no priority waits for ever."""

from collections import Counter, defaultdict
from collections.abc import Set

from gateway.core.errors import CampaignNotFound
from gateway.core.model import BATCH_LIMIT, Batch, CallReport, FlushReason, ItemFailure, Priority
from gateway.core.scheduling.proven import DOUBT_S
from gateway.core.scheduling.queues import PASSED_OVER_LIMIT
from gateway.core.scheduling.ready import LOOK_AHEAD
from tests.oracle.records import Backlog, Caller, CampaignBacklog

TURNS_OF_CAMPAIGNS = 2
"""Calls of one campaign that another one with a full call may see pass, if both belong to one caller."""


class Fairness:
    """Follows the turns of callers, campaigns and priorities.

    Turns of callers and campaigns are checked as long as all requests have one priority and all callers have
    the same weight.
    """

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._services: set[str] = set()
        self._priorities: set[Priority] = set()
        self._weights: set[int] = set()
        self._disturbed: dict[str, float] = {}
        self._proven: set[str] = set()
        self._missed_at = float("-inf")
        self._passed_campaigns: dict[str, Counter[str]] = defaultdict(Counter)
        self._passed_services: Counter[str] = Counter()

    def submitted(self, caller: Caller, priority: Priority) -> None:
        """Note a caller that has something outstanding."""
        self._services.add(caller.service)
        self._priorities.add(priority)
        self._weights.add(caller.source.weight)

    def is_doubtful(self, now: float, campaign_id: str) -> bool:
        """Whether a campaign may be kept back, as calls have found no such campaign of late."""
        return now < self._missed_at + DOUBT_S and campaign_id not in self._proven

    @property
    def anything_missed(self) -> bool:
        """Whether a call has ever found no such campaign."""
        return self._missed_at > float("-inf")

    def weigh(self, now: float, batch: Batch, report: CallReport) -> None:
        """Follow what a call says of its campaign."""
        campaign_id = batch.campaign_id
        if report.failure is not None or ItemFailure.CAPACITY in report.failed.values():
            self._disturbed[campaign_id] = now
        elif len(batch.entries) == BATCH_LIMIT and batch.formed_at > self._disturbed.get(campaign_id, now):
            del self._disturbed[campaign_id]
        if report.accepted:
            self._proven.add(campaign_id)
        if isinstance(report.failure, CampaignNotFound):
            self._proven.discard(campaign_id)
            # A caller that has left since was still in the call, so any of them may be in doubt.
            self._missed_at = now

    def check_turns(self, now: float, batch: Batch, holds: Set[str], *, steady: bool) -> None:
        """Check that callers under backlog take turns, and so do the campaigns of one that is alone.

        Turns are exact while the engine is `steady`. While it removes the backlog of a caller that has left,
        that caller may still use turns of its service. The search for an item that Connect refuses may use
        the turn of any caller of the campaign.
        """
        if batch.flush is FlushReason.SUSPECT:
            return
        if not steady:
            self._passed_campaigns.clear()
            self._passed_services.clear()
            return
        if len(self._priorities) > 1 or len(self._weights) > 1:
            return
        if len(self._services) > 1:
            self._passed_campaigns.clear()
            self._check_services(now, batch, holds)
        else:
            self._check_campaigns(now, batch.campaign_id, holds)

    def _check_campaigns(self, now: float, campaign_id: str, holds: Set[str]) -> None:
        """Check that no campaign of the only service sees another one have too many turns."""
        self._passed_campaigns.pop(campaign_id, None)
        for other in self._passed_campaigns.keys() - self._backlog.campaigns.keys():
            del self._passed_campaigns[other]
        for other, backlog in self._backlog.in_campaigns():
            if len(backlog.waiting) < BATCH_LIMIT or not self._must_flow(now, other, holds):
                self._passed_campaigns.pop(other, None)
            elif other != campaign_id:
                passed = self._passed_campaigns[other]
                passed[campaign_id] += 1
                assert passed[campaign_id] <= TURNS_OF_CAMPAIGNS, "a campaign under backlog is passed over"

    def _check_services(self, now: float, batch: Batch, holds: Set[str]) -> None:
        """Check that a service with a full call of its own waits for a turn of each other one at most."""
        of_call = {waiter.source.caller for entry in batch.entries for waiter in entry.waiters}
        doubtful = self.is_doubtful(now, batch.campaign_id)
        for service in self._services:
            if service in of_call or not self._has_full_call(now, service, holds):
                self._passed_services.pop(service, None)
            elif not doubtful:
                self._passed_services[service] += 1
                assert self._passed_services[service] <= len(self._services), "a caller is passed over"

    def _has_full_call(self, now: float, service: str, holds: Set[str]) -> bool:
        """Whether a service has a full call of its own that must leave with its next turn.

        One with many campaigns may have its full call behind others that wait to become fuller.
        """
        campaigns = self._backlog.campaigns_of(service)
        return len(campaigns) < LOOK_AHEAD and any(
            campaign.services[service] >= BATCH_LIMIT and self._must_flow(now, campaign_id, holds)
            for campaign_id, campaign in campaigns.items()
        )

    def check_priorities(self, taken: set[Priority], campaign: CampaignBacklog) -> None:
        """Check that no priority that waits is passed over for ever; two may be overdue at a time."""
        for priority in campaign.priorities:
            passed_over = 0 if priority in taken else campaign.passed_over[priority] + 1
            campaign.passed_over[priority] = passed_over
            assert passed_over <= PASSED_OVER_LIMIT + 1, "a priority is passed over"

    def _must_flow(self, now: float, campaign_id: str, holds: Set[str]) -> bool:
        disturbed = campaign_id in self._disturbed or campaign_id in holds
        return not disturbed and not self.is_doubtful(now, campaign_id)
