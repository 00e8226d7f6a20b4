"""The metrics of single campaigns, made anew for each reader: what is forgotten leaves nothing behind."""

from collections.abc import Iterable

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)

from gateway.core.views.snapshot import CampaignFigures, Snapshot
from gateway.telemetry import metric_definitions
from gateway.telemetry.counters import Counts

CAMPAIGN = "campaign"
ON_HOLD = "held"
"""The condition of a campaign that somebody holds, beside whatever Amazon Connect says of it."""


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
    backlog, waits, flying = [], [], []
    for label, found in labelled.items():
        labels = {CAMPAIGN: label}
        backlog.append(_point(labels, now_ns, sum(figures.queued for figures in found)))
        flying.append(_point(labels, now_ns, sum(figures.in_flight for figures in found)))
        waits.append(_point(labels, now_ns, max((figures.oldest_wait_s for figures in found), default=0.0)))
    return [
        _gauge(metric_definitions.BACKLOG, backlog),
        _gauge(metric_definitions.OLDEST_WAIT, waits),
        _gauge(metric_definitions.IN_FLIGHT, flying),
    ]


def _on_hold(snapshot: Snapshot, counts: Counts) -> dict[str, float]:
    """Return for each label under which somebody holds a campaign how long the longest has been held."""
    longest: dict[str, float] = {}
    for campaign_id, for_s in snapshot.on_hold_s.items():
        label = counts.label(campaign_id)
        longest[label] = max(longest.get(label, 0.0), for_s)
    return longest


def _held_up(
    now_ns: int, labelled: dict[str, list[CampaignFigures]], on_hold: dict[str, float]
) -> list[Metric]:
    """Return the gauge of all that does not flow; none where everything flows."""
    found = [(label, name, for_s) for label, each in labelled.items() for name, for_s in _standings(each)]
    found += [(label, ON_HOLD, for_s) for label, for_s in on_hold.items()]
    points = [_point({CAMPAIGN: label, "condition": name}, now_ns, for_s) for label, name, for_s in found]
    return [_gauge(metric_definitions.HELD_UP, points)] if points else []


def _standings(found: Iterable[CampaignFigures]) -> Iterable[tuple[str, float]]:
    """Return for each condition in which a campaign is how long the longest has not flowed."""
    longest: dict[str, float] = {}
    for figures in found:
        if figures.standing is not None:
            name = figures.standing.condition.value
            longest[name] = max(longest.get(name, 0.0), figures.held_up_s)
    return longest.items()


def _counters(now_ns: int, counts: Counts) -> list[Metric]:
    received, answered, changes = [], [], []
    for label, counters in counts.campaigns.items():
        labels, began_ns = {CAMPAIGN: label}, counters.began_ns
        received.append(_point(labels, now_ns, counters.received, began_ns))
        for outcome, reason, count in counters.answers():
            named = {CAMPAIGN: label, "outcome": outcome.name, "reason": reason.name}
            answered.append(_point(named, now_ns, count, began_ns))
        for condition, count in counters.changes.items():
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
