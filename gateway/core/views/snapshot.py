"""A snapshot of the core's figures, for metrics and operators. Taking one changes nothing."""

import math
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from gateway.core.campaigns.condition import CampaignCondition
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.model import BATCH_LIMIT, Batch
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.permits import Permits
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.scheduling.source_queue import SCANNED_PART
from gateway.core.tokens.outstanding import Outstanding
from gateway.core.views.expiring import ExpiringBacklog

PART = 500
"""Campaigns in one part of a snapshot: some milliseconds of work."""
RATE, CONCURRENCY, SHARED_STATE, CREDENTIALS = "rate", "concurrency", "shared_state", "credentials"
"""What calls that are ready may wait for: permits of the call rate, the end of other calls, an answer of the
shared state, or credentials and a clock that AWS accepts."""


class CampaignFigures(NamedTuple):
    """One campaign that has outstanding requests, or that does not flow.

    `queued` counts its dial requests that are in no call, `in_flight` those in calls. `oldest_wait_s` is how
    long the first of the queue has waited since it last joined it, at `waiting_since`. `condition` is
    None if it flows; otherwise `not_flowing_s` is for how long it has not.
    """

    campaign_id: str
    queued: int
    in_flight: int
    oldest_wait_s: float
    waiting_since: float | None = None
    condition: CampaignCondition | None = None
    not_flowing_s: float = 0.0


class Snapshot(NamedTuple):
    """The whole core. Times in seconds, rates in calls a second, 0 for no limit.

    `held_s` is for how many seconds each held campaign has been held, with or without waiting requests.
    `backlog_expiring` is how many waiting requests of flowing campaigns will expire before their turn, about.
    """

    campaigns: list[CampaignFigures]
    outstanding: int
    outstanding_bytes: int
    calls_in_flight: int
    call_rate: float
    call_rate_ceiling: float
    joined: int
    remembered: int
    forgotten_early: int
    permit_wait_s: dict[str, float]
    draining: bool
    held_s: dict[str, float]
    backlog_expiring: int = 0


Survey = Generator[None, None, Snapshot]
"""A snapshot that is taken in parts; the generator returns it."""


class PermitWait:
    """Adds up for how long ready calls had to wait, by what they waited for."""

    def __init__(self) -> None:
        self._lacking: str | None = None
        self._since = 0.0
        self._seconds = dict.fromkeys((RATE, CONCURRENCY, SHARED_STATE, CREDENTIALS), 0.0)

    def note(self, now: float, lacking: str | None) -> None:
        """Note what ready calls wait for from `now` on; None if none waits."""
        if self._lacking is not None:
            self._seconds[self._lacking] += now - self._since
        self._lacking, self._since = lacking, now

    def seconds(self, now: float) -> dict[str, float]:
        """Return the seconds up to `now`, by what the calls waited for."""
        self.note(now, self._lacking)
        return dict(self._seconds)


class SnapshotTaker(NamedTuple):
    """Takes snapshots of one engine."""

    outstanding: Outstanding
    scheduler: Scheduler
    flow: CampaignFlow
    pacer: Permits
    permit_wait: PermitWait
    expiry: ExpiryScale

    def begin_snapshot(
        self, now: float, calls: Iterable[Batch], *, draining: bool, outstanding_bytes: int
    ) -> Survey:
        """Begin a snapshot at `now`; `calls` are those in flight.

        The campaigns are read in parts, each at its own moment; everything else is read before this returns.
        """
        in_flight = list(calls)
        self.pacer.ready_at(now)  # a rate that was cut has grown since it was last computed
        snapshot = Snapshot(
            campaigns=[],
            outstanding=self.outstanding.count,
            outstanding_bytes=outstanding_bytes,
            calls_in_flight=len(in_flight),
            call_rate=self.pacer.account_rate,
            call_rate_ceiling=self.pacer.ceiling,
            joined=self.outstanding.joined,
            remembered=self.outstanding.remembered,
            forgotten_early=self.outstanding.forgotten_early,
            permit_wait_s=self.permit_wait.seconds(now),
            draining=draining,
            held_s={name: now - hold.at for name, hold in self.flow.holds.items()},
        )
        waiting_calls = self.scheduler.waiting / BATCH_LIMIT + self.scheduler.campaigns_waiting
        expiring = ExpiringBacklog(self.expiry.cutoff(now), waiting_calls, self.pacer.rate)
        return _with_campaigns(snapshot, self.campaigns(now, in_flight, expiring), expiring)

    def of_one(self, now: float, campaign_id: str, calls: Iterable[Batch]) -> CampaignFigures:
        """Return the figures of one campaign, with or without outstanding requests."""
        count = self.outstanding.count_of(campaign_id)
        flying = sum(len(batch.entries) for batch in calls if batch.campaign_id == campaign_id)
        campaign = self.scheduler.campaign(campaign_id)
        since = campaign.oldest_arrival if campaign is not None and campaign.unsuspected else None
        condition = self.flow.conditions.get(campaign_id)
        return _figures(now, campaign_id, count, flying, condition, since)

    def campaigns(
        self, now: float, calls: list[Batch], expiring: ExpiringBacklog | None = None
    ) -> Iterator[CampaignFigures | None]:
        """Yield the figures of each campaign, read at the moment it is reached.

        Yields None in addition after reading many requests, also within a campaign: that ends a part. The
        waiting requests of campaigns that flow are added to `expiring`, if it is given.
        """
        in_flight: Counter[str] = Counter()
        for batch in calls:
            in_flight[batch.campaign_id] += len(batch.entries)
        conditions = {condition.campaign_id: condition for condition in self.flow.conditions.all()}
        unread = 0
        for campaign_id, count in self.outstanding.by_campaign():
            campaign, since = self.scheduler.campaign(campaign_id), None
            if campaign is not None and campaign.unsuspected:
                unread += campaign.unread
                if unread > SCANNED_PART:
                    unread = 0
                    yield None
                oldest = yield from campaign.oldest_in_parts()
                since = oldest if oldest < math.inf else None
            condition = conditions.pop(campaign_id, None)
            if expiring is not None and campaign is not None and self._flows(campaign_id, condition):
                yield from expiring.add(campaign)
            yield _figures(now, campaign_id, count, in_flight[campaign_id], condition, since)
        for condition in conditions.values():
            yield _figures(now, condition.campaign_id, 0, 0, condition, None)

    def _flows(self, campaign_id: str, condition: CampaignCondition | None) -> bool:
        return condition is None and campaign_id not in self.flow.holds


def _figures(
    now: float,
    campaign_id: str,
    count: int,
    flying: int,
    condition: CampaignCondition | None,
    since: float | None,
) -> CampaignFigures:
    flying = min(flying, count)
    # Requests may arrive, and campaigns change, after the snapshot began at `now`.
    wait_s = max(0.0, now - since) if since is not None else 0.0
    not_flowing_s = max(0.0, now - condition.since) if condition is not None else 0.0
    return CampaignFigures(campaign_id, count - flying, flying, wait_s, since, condition, not_flowing_s)


def _with_campaigns(
    snapshot: Snapshot, campaigns: Iterable[CampaignFigures | None], expiring: ExpiringBacklog
) -> Survey:
    """Add the figures of campaigns to a snapshot, in parts."""
    for number, figures in enumerate(campaigns, 1):
        if figures is not None:
            snapshot.campaigns.append(figures)
        if figures is None or not number % PART:
            yield
    return snapshot._replace(backlog_expiring=expiring.requests())
