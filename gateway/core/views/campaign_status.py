"""The list of campaigns for operators: one row for each campaign."""

import enum
import heapq
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from gateway.core.campaigns.condition import CampaignCondition, Condition
from gateway.core.campaigns.holds import Hold, Holds, OperatorAction
from gateway.core.model import Outcome, Reason
from gateway.core.views.snapshot import CampaignFigures
from gateway.core.views.statistics import CampaignStatistics, Statistics

PART, SORTED_PART = 500, 5_000
"""Campaigns of one part of a listing, and names that are sorted at once: some milliseconds."""


class CampaignState(enum.IntEnum):
    """Whether and why a campaign's dial requests wait. The numbers are the wire contract's."""

    FLOWING = 1
    COOLING = 2
    PARKED = 3
    HELD = 4


class ReplicaPart(NamedTuple):
    """One replica's part of a campaign; the fields are those of a row."""

    replica: str
    state: CampaignState
    queued: int
    in_flight: int
    waiting_since: float | None
    counts: tuple[int, ...]
    rate: float


class CampaignRow(NamedTuple):
    """One campaign at one instant, in one replica, or in the whole fleet with the part of each replica.

    `until` is the instant before which its state will not end by itself, None if that is not known;
    `since` when the state began, None if it flows. `waiting_since` is when the dial request that
    has waited longest joined the queue, None if none waits. `rate` is in accepted dial requests a
    second, of late. Equal rows say the same, whenever they were taken.
    """

    campaign_id: str
    state: CampaignState
    queued: int
    in_flight: int
    waiting_since: float | None
    counts: tuple[int, ...]
    rate: float
    reason: Reason
    detail: str
    since: float | None
    until: float | None
    hold: Hold | None
    action: OperatorAction | None
    parts: tuple[ReplicaPart, ...] = ()


Rows = Generator[None, None, dict[str, CampaignRow]]
"""A list that is made in parts; the generator returns the rows by campaign."""


def rows(
    now: float,
    figures: Iterable[CampaignFigures | None],
    holds: Holds,
    statistics: Statistics,
    before: Mapping[str, CampaignRow] | None = None,
    into: dict[str, CampaignRow] | None = None,
) -> Rows:
    """Make a row for every campaign that has outstanding requests, does not flow, or was active recently.

    Yields after each part of the work, so that the shell can do something else; returns the rows by their
    campaigns' ids in order. Rows that equal those of `before` are the same objects: then a listing takes
    little memory, and freeing 100,000 rows at once, which takes long, is rare. The rows are put `into` a
    dictionary that the shell has prepared, or into a new one.
    """
    snapshot: dict[str, CampaignFigures] = {}
    for number, each in enumerate(figures):
        if each is not None:
            snapshot[each.campaign_id] = each
        if each is None or number % PART == PART - 1:
            yield
    records = dict(statistics.records(now))
    others = {name for name in (*records, *holds.names()) if name not in snapshot}
    names = yield from in_order(snapshot, others)
    found: dict[str, CampaignRow] = {} if into is None else into
    known = before or {}
    for number, name in enumerate(names):
        latest = row(now, name, snapshot.pop(name, None), records.get(name), holds.get(name))
        earlier = known.get(name)
        found[name] = earlier if earlier is not None and earlier == latest else latest
        if number % PART == PART - 1:
            yield
    return found


def in_order(*names: Iterable[str]) -> Generator[None, None, Iterator[str]]:
    """Sort names in pieces, one in each part; return an iterator that merges the pieces.

    Sorting 100,000 names at once would take long.
    """
    pieces: list[list[str]] = []
    for some in names:
        left = iter(some)
        while piece := sorted(islice(left, SORTED_PART)):
            pieces.append(piece)
            yield
    return heapq.merge(*pieces)


def row(
    now: float,
    campaign_id: str,
    figures: CampaignFigures | None,
    record: CampaignStatistics | None,
    hold: Hold | None,
) -> CampaignRow:
    """Return the row of one campaign."""
    condition = figures.condition if figures is not None else None
    state, reason, detail, since, until = _state(condition, hold)
    return CampaignRow(
        campaign_id,
        state,
        figures.queued if figures is not None else 0,
        figures.in_flight if figures is not None else 0,
        figures.waiting_since if figures is not None else None,
        tuple(record.counts.values()) if record is not None else (0,) * len(Outcome),
        round(record.rate(now), 1) if record is not None else 0.0,
        reason,
        detail,
        since,
        until,
        hold,
        record.action if record is not None else None,
    )


def _state(
    condition: CampaignCondition | None, hold: Hold | None
) -> tuple[CampaignState, Reason, str, float | None, float | None]:
    if hold is not None:
        detail = "held until somebody releases it"
        return CampaignState.HELD, Reason.HELD, detail, hold.at, None
    if condition is None:
        return CampaignState.FLOWING, Reason.NONE, "", None, None
    until = condition.until if condition.condition is Condition.COOLING else None
    if condition.state:
        detail = f"the campaign is {condition.state}; it flows once Amazon Connect says that it runs"
        return CampaignState.PARKED, Reason.CAMPAIGN_NOT_RUNNING, detail, condition.since, until
    test = "one call will test it" if until is not None else "small calls test it"
    detail = f"Amazon Connect accepts no more requests for it at present; {test}"
    return CampaignState.COOLING, Reason.THROTTLED, detail, condition.since, until
