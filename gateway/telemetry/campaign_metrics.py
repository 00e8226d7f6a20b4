"""The metrics of single campaigns, made for each reader, so that a dropped campaign leaves no label."""

from collections import defaultdict
from collections.abc import Container, Generator, Iterable, Mapping, Sequence

from gateway.core.campaigns.condition import Condition
from gateway.core.slices import consume
from gateway.core.views.snapshot import CampaignFigures, Snapshot
from gateway.telemetry import metric_definitions as definitions
from gateway.telemetry.counters import Counts
from gateway.telemetry.families import Family, Numbers, Row
from gateway.telemetry.labels import OTHER

PART = 2_000
"""Campaigns that are added up at once: a millisecond or two."""
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


def campaign_families(snapshot: Snapshot, counts: Counts, names: Mapping[str, str]) -> list[Family]:
    """Return the figures of all campaigns, those without a label of their own added up under one.

    `names` are the names of campaigns by id, as far as they are known.
    """
    labelled = _by_label(snapshot, counts)
    return [
        *_gauges(labelled),
        *_held_up(labelled, _on_hold(snapshot, counts)),
        *_counters(counts),
        *_info(counts, names),
    ]


def _by_label(snapshot: Snapshot, counts: Counts) -> dict[str, Sequence[CampaignFigures]]:
    found: defaultdict[str, list[CampaignFigures]] = defaultdict(list)
    for figures in snapshot.campaigns:
        found[counts.label(figures.campaign_id)].append(figures)
    return {label: found.get(label, ()) for label in counts.campaigns}


def _gauges(labelled: dict[str, Sequence[CampaignFigures]]) -> list[Family]:
    backlog: list[Row] = []
    waits: list[Row] = []
    in_flight: list[Row] = []
    for label, found in labelled.items():
        labels, queued, flying, wait_s = (label,), 0, 0, 0.0
        for figures in found:
            queued += figures.queued
            flying += figures.in_flight
            wait_s = max(wait_s, figures.oldest_wait_s)
        backlog.append((labels, queued, 0))
        in_flight.append((labels, flying, 0))
        waits.append((labels, wait_s, 0))
    return [
        Numbers(definitions.BACKLOG, backlog),
        Numbers(definitions.OLDEST_WAIT, waits),
        Numbers(definitions.IN_FLIGHT, in_flight),
    ]


def _on_hold(snapshot: Snapshot, counts: Counts) -> dict[str, float]:
    """Return, by label, the seconds for which its longest held campaign has been on hold."""
    longest: dict[str, float] = {}
    for campaign_id, for_s in snapshot.held_s.items():
        label = counts.label(campaign_id)
        longest[label] = max(longest.get(label, 0.0), for_s)
    return longest


def _held_up(labelled: dict[str, Sequence[CampaignFigures]], on_hold: dict[str, float]) -> list[Family]:
    """Return the gauge of campaigns that are not flowing; none if all are flowing."""
    rows: list[Row] = [
        ((label, name), for_s, 0)
        for label, each in labelled.items()
        if each
        for name, for_s in _standings(each)
    ]
    rows += [((label, ON_HOLD), for_s, 0) for label, for_s in on_hold.items()]
    return [Numbers(definitions.HELD_UP, rows)] if rows else []


def _standings(found: Iterable[CampaignFigures]) -> Iterable[tuple[str, float]]:
    """Return for each condition in which a campaign is how long the longest has not flowed."""
    longest: dict[str, float] = {}
    for figures in found:
        if figures.condition is not None:
            name = figures.condition.condition.value
            longest[name] = max(longest.get(name, 0.0), figures.not_flowing_s)
    return longest.items()


def _counters(counts: Counts) -> list[Family]:
    received: list[Row] = []
    accepted: list[Row] = []
    answered: list[Row] = []
    changes: list[Row] = []
    for label, campaign in counts.campaigns.items():
        began_ns = campaign.began_ns
        received.append(((label,), campaign.received, began_ns))
        if campaign.accepted:  # an invented campaign id gets no series more
            accepted.append(((label,), campaign.accepted, began_ns))
        for outcome, reason, count in campaign.answers():
            answered.append(((label, outcome, reason), count, began_ns))
        for condition, count in campaign.changes.items():
            changes.append(((label, condition), count, began_ns))
    found = (
        (definitions.RECEIVED, received),
        (definitions.ACCEPTED, accepted),
        (definitions.ANSWERED, answered),
        (definitions.CHANGES, changes),
    )
    return [Numbers(metric, rows, counter=True) for metric, rows in found if rows]


def _info(counts: Counts, names: Mapping[str, str]) -> list[Family]:
    """Return the names of the campaigns that have a label; nothing if no name is known."""
    rows: list[Row] = [((label, names[label]), 1, 0) for label in counts.campaigns if label in names]
    return [Numbers(definitions.CAMPAIGN_INFO, rows)] if rows else []
