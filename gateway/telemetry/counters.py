"""Counters of events: plain numbers that are read for the metrics.

A counter of OpenTelemetry costs microseconds for each step, and keeps every set of labels forever. So events
of dial requests are counted here, in dictionaries by campaign and by caller, and exported at the scrape. A
limited number of campaigns and callers have a label; the others are counted under `other`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from gateway.core.model import Entry, ItemFailure, Outcome, Reason
from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.distributions import Distribution, Distributions, Labels
from gateway.telemetry.fleet_metrics import STATE_DURATION
from gateway.telemetry.labels import LONGEST_LABEL, OTHER, LabelledCounts
from gateway.telemetry.metric_definitions import Metric

_REASONS = 64

_NAMES = {
    outcome * _REASONS + reason: (outcome.name, reason.name) for outcome in Outcome for reason in Reason
}

THROTTLE_OF_CALL = "call"
THROTTLES = (THROTTLE_OF_CALL, "item_rate", "item_capacity")
_THROTTLE_OF_ITEM = {ItemFailure.RATE: "item_rate", ItemFailure.CAPACITY: "item_capacity"}


class CampaignCounters:
    """What has been counted for one campaign's label since `began_ns`, in nanoseconds since the epoch.

    `accepted` counts dial requests that Amazon Connect accepted.
    """

    __slots__ = ("_answers", "accepted", "began_ns", "changed_since_tidy", "changes", "received", "seen_at")

    def __init__(self, began_ns: int = 0) -> None:
        self.began_ns = began_ns
        self.received = 0
        self.accepted = 0
        self.changes: dict[str, int] = {}
        self.changed_since_tidy = True
        self.seen_at = float("-inf")
        self._answers: dict[int, int] = {}

    def answered(self, outcome: Outcome, reason: Reason, count: int) -> None:
        """Count equal answers."""
        key = outcome * _REASONS + reason
        self._answers[key] = self._answers.get(key, 0) + count

    def answers(self) -> Iterator[tuple[str, str, int]]:
        """Yield the counts of answers by the names of outcome and reason."""
        for key, count in self._answers.items():
            yield *_NAMES[key], count

    def copy(self) -> "CampaignCounters":
        """Return a copy of the counts. There are many campaigns, so it is made without `__init__`."""
        copied = CampaignCounters.__new__(CampaignCounters)
        copied.began_ns, copied.received = self.began_ns, self.received
        copied.accepted = self.accepted
        copied.changes, copied._answers = self.changes.copy(), self._answers.copy()
        return copied


class CallerCounters:
    """What has been counted for one caller's label since `began_ns`, in nanoseconds since the epoch.

    `calls` is its share of the calls to Amazon Connect: a call that carries requests of several callers is
    divided among them.
    """

    __slots__ = ("answers", "began_ns", "calls", "changed_since_tidy", "received", "seen_at")

    def __init__(self, began_ns: int = 0) -> None:
        self.began_ns = began_ns
        self.received = 0
        self.calls = 0.0
        self.answers: dict[Outcome, int] = {}
        self.changed_since_tidy = True
        self.seen_at = float("-inf")

    def copy(self) -> "CallerCounters":
        """Return a copy of the counts."""
        copied = CallerCounters(self.began_ns)
        copied.received, copied.calls, copied.answers = self.received, self.calls, self.answers.copy()
        return copied


class Counters:
    """All counts. Not thread-safe: the event loop counts, and reads."""

    def __init__(self, campaign_limit: int, caller_limit: int = 200) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.throttles: Counter[str] = Counter(dict.fromkeys(THROTTLES, 0))
        self.retries: Counter[str] = Counter(granted=0, denied=0)
        self.rpcs: Counter[tuple[str, str]] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.state_errors: Counter[tuple[str, str]] = Counter()
        self.replayed = 0
        self.dropped = 0
        self.request_duration = Distributions(definitions.REQUEST_DURATION)
        for outcome in Outcome:  # from the start, so that the first answers are an increase
            self.request_duration.of(outcome.name)
        self.batch_size = Distributions(definitions.BATCH_SIZE)
        self.time_left = Distributions(definitions.TIME_LEFT)
        self.call_duration = Distributions(definitions.CALL_DURATION)
        self.loop_lag = Distributions(definitions.LOOP_LAG)
        self.state_duration = Distributions(STATE_DURATION)
        self._by_campaign = LabelledCounts(campaign_limit, CampaignCounters)
        self._by_caller = LabelledCounts(caller_limit, CallerCounters)
        self._refused_callers: set[str] = set()
        self._limit = campaign_limit

    @property
    def campaigns(self) -> dict[str, CampaignCounters]:
        """The counts of each campaign's label."""
        return self._by_campaign.by_label

    @property
    def callers(self) -> dict[str, CallerCounters]:
        """The counts of each caller's label."""
        return self._by_caller.by_label

    def received(self, campaign_id: str, caller: str, count: int) -> None:
        """Count dial requests that were read from a caller for a campaign."""
        self._by_campaign.of(campaign_id).received += count
        self._by_caller.of(caller).received += count

    def accepted(self, campaign_id: str, count: int) -> None:
        """Count dial requests of a campaign that Amazon Connect accepted in a call."""
        self._by_campaign.of(campaign_id).accepted += count

    def answered(self, campaign_id: str, caller: str, outcome: Outcome, reason: Reason, count: int) -> None:
        """Count equal answers to dial requests of a caller for a campaign."""
        self._by_campaign.of(campaign_id).answered(outcome, reason, count)
        answers = self._by_caller.of(caller).answers
        answers[outcome] = answers.get(outcome, 0) + count

    def sent(self, entries: Collection[Entry]) -> None:
        """Count an attempt of a call with these requests, divided among their callers.

        A request that several callers wait for counts for the first of them.
        """
        share = 1 / max(1, len(entries))
        for caller, count in _callers_of(entries):
            self._by_caller.of(caller).calls += count * share

    def changed(self, campaign_id: str, condition: str) -> None:
        """Count that a campaign was made to wait."""
        changes = self._by_campaign.of(campaign_id).changes
        changes[condition] = changes.get(condition, 0) + 1

    def refused(self, caller: str, refusal: str, number: int) -> None:
        """Count refusals of a caller, under its own label if there is room, else under `other`.

        Refused callers have labels of their own number: they must not take those of callers that dial.
        """
        if caller not in self._refused_callers:
            if len(self._refused_callers) >= self._limit or not 0 < len(caller) <= LONGEST_LABEL:
                caller = OTHER
            else:
                self._refused_callers.add(caller)
        self.refusals[caller, refusal] += number

    def throttled_items(self, failures: Collection[ItemFailure]) -> None:
        """Count the items of one call that Connect throttled."""
        for failure in failures:
            if failure in _THROTTLE_OF_ITEM:
                self.throttles[_THROTTLE_OF_ITEM[failure]] += 1

    def counts(self) -> "Counts":
        """Return a copy of everything."""
        return Counts(
            campaigns={label: counts.copy() for label, counts in self.campaigns.items()},
            callers={label: counts.copy() for label, counts in self.callers.items()},
            calls=dict(self.calls),
            throttles=dict(self.throttles),
            retries=dict(self.retries),
            rpcs=dict(self.rpcs),
            refusals=dict(self.refusals),
            state_errors=dict(self.state_errors),
            replayed=self.replayed,
            dropped=self.dropped,
            distributions={each.metric: each.copies() for each in self._distributions()},
        )

    def tidy(
        self, now: float, now_ns: int, busy_campaigns: Collection[str], busy_callers: Collection[str] = ()
    ) -> None:
        """Drop campaigns and callers that have been idle for long.

        Busy are campaigns with outstanding requests, and callers with an open stream or unary call.
        """
        self._by_campaign.tidy(now, now_ns, busy_campaigns)
        self._by_caller.tidy(now, now_ns, busy_callers)

    def _distributions(self) -> tuple[Distributions, ...]:
        return (
            self.request_duration,
            self.batch_size,
            self.time_left,
            self.call_duration,
            self.loop_lag,
            self.state_duration,
        )


def _callers_of(entries: Iterable[Entry]) -> Iterator[tuple[str, int]]:
    """Yield each caller of successive requests, and how many of them there are."""
    caller, count = "", 0
    for entry in entries:
        waiters = entry.waiters
        of_entry = waiters[0].source.caller if waiters else caller
        if of_entry == caller:
            count += 1
            continue
        if count:
            yield caller, count
        caller, count = of_entry, 1
    if count:
        yield caller, count


class Counts(NamedTuple):
    """A copy of all counts at one instant, for reading in another thread."""

    campaigns: dict[str, CampaignCounters]
    callers: dict[str, CallerCounters]
    calls: dict[tuple[str, str], int]
    throttles: dict[str, int]
    retries: dict[str, int]
    rpcs: dict[tuple[str, str], int]
    refusals: dict[tuple[str, str], int]
    state_errors: dict[tuple[str, str], int]
    replayed: int
    dropped: int
    distributions: dict[Metric, list[tuple[Labels, Distribution]]]

    def label(self, campaign_id: str) -> str:
        """Return the label that a campaign is counted under."""
        return campaign_id if campaign_id in self.campaigns else OTHER
