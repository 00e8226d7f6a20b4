"""The metrics of single campaigns, made anew for each reader: what is forgotten leaves nothing behind."""

from collections.abc import Iterable

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)

from gateway.core.census import CampaignFigures, Census
from gateway.telemetry import catalogue
from gateway.telemetry.tally import Counts

CAMPAIGN = "campaign"
ON_HOLD = "held"
"""The condition of a campaign that somebody holds, beside whatever Amazon Connect says of it."""


def campaign_metrics(now_ns: int, census: Census, counts: Counts) -> list[Metric]:
    """Return the figures of all campaigns, those without a label of their own added up under one."""
    labelled = _by_label(census, counts)
    return [
        *_gauges(now_ns, labelled),
        *_held_up(now_ns, labelled, _on_hold(census, counts)),
        *_counters(now_ns, counts),
    ]


def _by_label(census: Census, counts: Counts) -> dict[str, list[CampaignFigures]]:
    labelled: dict[str, list[CampaignFigures]] = {label: [] for label in counts.campaigns}
    for figures in census.campaigns:
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
        _gauge(catalogue.BACKLOG, backlog),
        _gauge(catalogue.OLDEST_WAIT, waits),
        _gauge(catalogue.IN_FLIGHT, flying),
    ]


def _on_hold(census: Census, counts: Counts) -> dict[str, float]:
    """Return for each label under which somebody holds a campaign how long the longest has been held."""
    longest: dict[str, float] = {}
    for campaign_id, for_s in census.on_hold_s.items():
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
    return [_gauge(catalogue.HELD_UP, points)] if points else []


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
    for label, tally in counts.campaigns.items():
        labels, began_ns = {CAMPAIGN: label}, tally.began_ns
        received.append(_point(labels, now_ns, tally.received, began_ns))
        for outcome, reason, count in tally.answers():
            named = {CAMPAIGN: label, "outcome": outcome.name, "reason": reason.name}
            answered.append(_point(named, now_ns, count, began_ns))
        for condition, count in tally.changes.items():
            changes.append(_point(labels | {"condition": condition}, now_ns, count, began_ns))
    found = ((catalogue.RECEIVED, received), (catalogue.ANSWERED, answered), (catalogue.CHANGES, changes))
    return [_sum(metric, points) for metric, points in found if points]


def _point(labels: dict[str, str], now_ns: int, value: float, began_ns: int = 0) -> NumberDataPoint:
    return NumberDataPoint(labels, began_ns, now_ns, value, ())


def _gauge(metric: catalogue.Metric, points: list[NumberDataPoint]) -> Metric:
    return Metric(metric.name, metric.description, metric.unit, Gauge(points))


def _sum(metric: catalogue.Metric, points: list[NumberDataPoint]) -> Metric:
    data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Metric(metric.name, metric.description, metric.unit, data)
