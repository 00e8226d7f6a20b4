"""The metrics of single campaigns, made for each reader, so that a dropped campaign leaves no label."""

from collections.abc import Container, Generator, Iterable

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)

from gateway.core.campaigns.condition import Condition
from gateway.core.slices import consume
from gateway.core.views.snapshot import CampaignFigures, Snapshot
from gateway.telemetry import metric_definitions
from gateway.telemetry.counters import OTHER, Counts

PART = 2_000
"""Campaigns that are added up at once: a millisecond or two."""
CAMPAIGN = "campaign"
ON_HOLD = "held"
"""The condition of a campaign on hold, in addition to its condition at Amazon Connect."""


def merged(
    campaigns: list[CampaignFigures], labels: Container[str]
) -> Generator[None, None, list[CampaignFigures]]:
    """Return the campaigns that have a label, and the sum of the others for each condition.

    Works in parts and empties `campaigns`, since freeing 100,000 figures at once takes long.
    """
    found: list[CampaignFigures] = []
    others: dict[Condition | None, CampaignFigures] = {}
    for number, figures in enumerate(consume(campaigns), 1):
        if figures.campaign_id in labels:
            found.append(figures)
        else:
            condition = figures.condition.condition if figures.condition is not None else None
            others[condition] = _sum_of(others.get(condition), figures)
        if not number % PART:
            yield
    return [*found, *others.values()]


def _sum_of(one: CampaignFigures | None, other: CampaignFigures) -> CampaignFigures:
    if one is None:
        return other._replace(campaign_id=OTHER)
    return one._replace(
        queued=one.queued + other.queued,
        in_flight=one.in_flight + other.in_flight,
        oldest_wait_s=max(one.oldest_wait_s, other.oldest_wait_s),
        not_flowing_s=max(one.not_flowing_s, other.not_flowing_s),
    )


def campaign_metrics(now_ns: int, snapshot: Snapshot, counts: Counts) -> list[Metric]:
    """Return the figures of all campaigns, those without a label of their own added up under one."""
    labelled = _by_label(snapshot, counts)
    return [
        *_gauges(now_ns, labelled),
        *_held_up(now_ns, labelled, _on_hold(snapshot, counts)),
        *_counters(now_ns, counts),
    ]


def _by_label(snapshot: Snapshot, counts: Counts) -> dict[str, list[CampaignFigures]]:
    labelled: dict[str, list[CampaignFigures]] = {label: [] for label in counts.campaigns}
    for figures in snapshot.campaigns:
        labelled[counts.label(figures.campaign_id)].append(figures)
    return labelled


def _gauges(now_ns: int, labelled: dict[str, list[CampaignFigures]]) -> list[Metric]:
    backlog, waits, in_flight = [], [], []
    for label, found in labelled.items():
        labels = {CAMPAIGN: label}
        backlog.append(_point(labels, now_ns, sum(figures.queued for figures in found)))
        in_flight.append(_point(labels, now_ns, sum(figures.in_flight for figures in found)))
        waits.append(_point(labels, now_ns, max((figures.oldest_wait_s for figures in found), default=0.0)))
    return [
        _gauge(metric_definitions.BACKLOG, backlog),
        _gauge(metric_definitions.OLDEST_WAIT, waits),
        _gauge(metric_definitions.IN_FLIGHT, in_flight),
    ]


def _on_hold(snapshot: Snapshot, counts: Counts) -> dict[str, float]:
    """Return, by label, the seconds for which its longest held campaign has been on hold."""
    longest: dict[str, float] = {}
    for campaign_id, for_s in snapshot.held_s.items():
        label = counts.label(campaign_id)
        longest[label] = max(longest.get(label, 0.0), for_s)
    return longest


def _held_up(
    now_ns: int, labelled: dict[str, list[CampaignFigures]], on_hold: dict[str, float]
) -> list[Metric]:
    """Return the gauge of campaigns that are not flowing; none if all are flowing."""
    found = [(label, name, for_s) for label, each in labelled.items() for name, for_s in _standings(each)]
    found += [(label, ON_HOLD, for_s) for label, for_s in on_hold.items()]
    points = [_point({CAMPAIGN: label, "condition": name}, now_ns, for_s) for label, name, for_s in found]
    return [_gauge(metric_definitions.HELD_UP, points)] if points else []


def _standings(found: Iterable[CampaignFigures]) -> Iterable[tuple[str, float]]:
    """Return for each condition in which a campaign is how long the longest has not flowed."""
    longest: dict[str, float] = {}
    for figures in found:
        if figures.condition is not None:
            name = figures.condition.condition.value
            longest[name] = max(longest.get(name, 0.0), figures.not_flowing_s)
    return longest.items()


def _counters(now_ns: int, counts: Counts) -> list[Metric]:
    received, answered, changes = [], [], []
    for label, campaign in counts.campaigns.items():
        labels, began_ns = {CAMPAIGN: label}, campaign.began_ns
        received.append(_point(labels, now_ns, campaign.received, began_ns))
        for outcome, reason, count in campaign.answers():
            named = {CAMPAIGN: label, "outcome": outcome.name, "reason": reason.name}
            answered.append(_point(named, now_ns, count, began_ns))
        for condition, count in campaign.changes.items():
            changes.append(_point(labels | {"condition": condition}, now_ns, count, began_ns))
    found = (
        (metric_definitions.RECEIVED, received),
        (metric_definitions.ANSWERED, answered),
        (metric_definitions.CHANGES, changes),
    )
    return [_sum(metric, points) for metric, points in found if points]


def _point(labels: dict[str, str], now_ns: int, value: float, began_ns: int = 0) -> NumberDataPoint:
    return NumberDataPoint(labels, began_ns, now_ns, value, ())


def _gauge(metric: metric_definitions.Metric, points: list[NumberDataPoint]) -> Metric:
    return Metric(metric.name, metric.description, metric.unit, Gauge(points))


def _sum(metric: metric_definitions.Metric, points: list[NumberDataPoint]) -> Metric:
    data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Metric(metric.name, metric.description, metric.unit, data)
