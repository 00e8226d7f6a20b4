"""Counters of events: plain numbers that are read for the metrics.

A counter of OpenTelemetry costs microseconds for each step, and keeps every set of labels forever. So events
of dial requests are counted here, in a dictionary by campaign, and exported at the scrape. A limited number
of campaigns have a label; the others are counted under `other`. A campaign without events is dropped after a
while.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from gateway.core.model import Answer, ItemFailure, Outcome, Reason

OTHER = "other"
LONGEST_LABEL = 256
"""Characters of a campaign id: a longer one is refused by the core, and is no label."""
IDLE_S, IDLE_WHERE_FULL_S = 1800.0, 300.0
"""Seconds after which an idle campaign is dropped. The second value applies if all labels are used."""
_REASONS = 64

THROTTLE_OF_CALL = "call"
THROTTLES = (THROTTLE_OF_CALL, "item_rate", "item_capacity")
_THROTTLE_OF_ITEM = {ItemFailure.RATE: "item_rate", ItemFailure.CAPACITY: "item_capacity"}


class CampaignCounters:
    """What has been counted for one label since `began_ns`, in nanoseconds since the epoch."""

    __slots__ = ("_answers", "began_ns", "changed_since_tidy", "changes", "received", "seen_at")

    def __init__(self, began_ns: int = 0) -> None:
        self.began_ns = began_ns
        self.received = 0
        self.changes: Counter[str] = Counter()
        self.changed_since_tidy = True
        self.seen_at = float("-inf")
        self._answers: dict[int, int] = {}

    def answer(self, answer: Answer) -> None:
        """Count an answer."""
        key = answer.outcome * _REASONS + answer.reason
        self._answers[key] = self._answers.get(key, 0) + 1

    def answers(self) -> Iterator[tuple[Outcome, Reason, int]]:
        """Yield the counts of answers by outcome and reason."""
        for key, count in self._answers.items():
            yield Outcome(key // _REASONS), Reason(key % _REASONS), count

    def copy(self) -> "CampaignCounters":
        """Return a copy of the counts."""
        copied = CampaignCounters(self.began_ns)
        copied.received, copied.changes = self.received, self.changes.copy()
        copied._answers = self._answers.copy()
        return copied


class Counters:
    """All counts. Not thread-safe: the event loop counts, and reads."""

    def __init__(self, campaign_limit: int) -> None:
        self.campaigns: dict[str, CampaignCounters] = {OTHER: CampaignCounters()}
        self.calls: Counter[tuple[str, str]] = Counter()
        self.throttles: Counter[str] = Counter(dict.fromkeys(THROTTLES, 0))
        self.retries: Counter[str] = Counter(granted=0, denied=0)
        self.rpcs: Counter[tuple[str, str]] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.state_errors: Counter[tuple[str, str]] = Counter()
        self.replayed = 0
        self.dropped = 0
        self._callers: set[str] = set()
        self._limit = campaign_limit
        self._now_ns = 0

    def received(self, campaign_id: str, count: int) -> None:
        """Count dial requests that were read for a campaign."""
        campaign = self.campaigns.get(campaign_id) or self._enter(campaign_id)
        campaign.received += count
        campaign.changed_since_tidy = True

    def answered(self, campaign_id: str, answer: Answer) -> None:
        """Count an answer to one dial request."""
        campaign = self.campaigns.get(campaign_id) or self._enter(campaign_id)
        campaign.answer(answer)
        campaign.changed_since_tidy = True
        if answer.replayed:
            self.replayed += 1

    def changed(self, campaign_id: str, condition: str) -> None:
        """Count that a campaign was made to wait."""
        self._of(campaign_id).changes[condition] += 1

    def refused(self, caller: str, refusal: str, number: int) -> None:
        """Count refusals of a caller, under its own label if there is room, else under `other`."""
        if caller not in self._callers:
            if len(self._callers) >= self._limit or not 0 < len(caller) <= LONGEST_LABEL:
                caller = OTHER
            else:
                self._callers.add(caller)
        self.refusals[caller, refusal] += number

    def throttled_items(self, failures: Collection[ItemFailure]) -> None:
        """Count the items of one call that Connect throttled."""
        for failure in failures:
            if failure in _THROTTLE_OF_ITEM:
                self.throttles[_THROTTLE_OF_ITEM[failure]] += 1

    def counts(self) -> "Counts":
        """Return a copy of everything."""
        return Counts(
            campaigns={campaign_id: campaign.copy() for campaign_id, campaign in self.campaigns.items()},
            calls=dict(self.calls),
            throttles=dict(self.throttles),
            retries=dict(self.retries),
            rpcs=dict(self.rpcs),
            refusals=dict(self.refusals),
            state_errors=dict(self.state_errors),
            replayed=self.replayed,
            dropped=self.dropped,
        )

    def tidy(self, now: float, now_ns: int, busy: Collection[str]) -> None:
        """Drop campaigns that have been idle for long. `busy` are campaigns with outstanding requests."""
        self._now_ns = now_ns
        full = len(self.campaigns) > self._limit
        idle_s = IDLE_WHERE_FULL_S if full else IDLE_S
        for campaign_id, campaign in list(self.campaigns.items()):
            if campaign.changed_since_tidy or campaign_id in busy:
                campaign.changed_since_tidy, campaign.seen_at = False, now
            elif now - campaign.seen_at > idle_s and campaign_id != OTHER:
                del self.campaigns[campaign_id]

    def _of(self, campaign_id: str) -> CampaignCounters:
        return self.campaigns.get(campaign_id) or self._enter(campaign_id)

    def _enter(self, campaign_id: str) -> CampaignCounters:
        """Return the counts for a new campaign: its own if a label is free, else the ones of `other`."""
        if len(self.campaigns) > self._limit or not 0 < len(campaign_id) <= LONGEST_LABEL:
            return self.campaigns[OTHER]
        campaign = self.campaigns[campaign_id] = CampaignCounters(self._now_ns)
        return campaign


class Counts(NamedTuple):
    """A copy of all counts at one instant, for reading in another thread."""

    campaigns: dict[str, CampaignCounters]
    calls: dict[tuple[str, str], int]
    throttles: dict[str, int]
    retries: dict[str, int]
    rpcs: dict[tuple[str, str], int]
    refusals: dict[tuple[str, str], int]
    state_errors: dict[tuple[str, str], int]
    replayed: int
    dropped: int

    def label(self, campaign_id: str) -> str:
        """Return the label that a campaign is counted under."""
        return campaign_id if campaign_id in self.campaigns else OTHER
