"""Campaigns as text: the cells of a table, the table for pipes, and one campaign as one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from dialgateway.campaigns import Campaign, CampaignState
from dialgateway.dialctl.terminal import unambiguous
from dialgateway.values import Outcome

TITLES = ("CAMPAIGN", "STATE", "QUEUED", "IN FLIGHT", "OLDEST", "ACC/S", "ACCEPTED", "OTHER", "WHY")
NUMERIC = frozenset({"QUEUED", "IN FLIGHT", "OLDEST", "ACC/S", "ACCEPTED", "OTHER"})
"""The columns that are aligned to the right."""
MAX_WIDTHS = {"CAMPAIGN": 40, "WHY": 70}
"""The width at which a column's texts are cut, in characters."""


def cells(campaign: Campaign) -> tuple[str, ...]:
    """Return the cells of a campaign's row, in the order of `TITLES`; safe to write to a terminal."""
    accepted = campaign.outcomes[Outcome.ACCEPTED]
    return (
        unambiguous(campaign.campaign_id),
        campaign.state.lower(),
        f"{campaign.queued:,}",
        f"{campaign.in_flight:,}",
        _duration(campaign.oldest_wait),
        f"{campaign.accepted_per_second:.1f}",
        f"{accepted:,}",
        f"{sum(campaign.outcomes.values()) - accepted:,}",
        unambiguous(_why(campaign)),
    )


def table_lines(campaigns: Iterable[Campaign]) -> list[str]:
    """Return a table as lines, titles first. Rows are not cut to a terminal's width: pipes have none."""
    rows = [TITLES, *map(cells, campaigns)]
    widths = [
        min(max(len(row[column]) for row in rows), MAX_WIDTHS.get(title, 99))
        for column, title in enumerate(TITLES)
    ]
    return [_line(row, widths) for row in rows]


def sentence(campaign: Campaign) -> str:
    """Return one campaign as one line."""
    name, state, queued, in_flight, oldest, rate, accepted, other, why = cells(campaign)
    counts = f"{queued} queued (oldest {oldest}), {in_flight} in flight, {rate}/s"
    return f"{name}: {state}, {counts}, {accepted} accepted, {other} other" + (f"; {why}" if why else "")


def _why(campaign: Campaign) -> str:
    """Return why a campaign does not flow."""
    hold = campaign.hold
    if hold is not None:
        waits = "" if hold.held_requests == "WAIT" else ", what comes is answered"
        reason = f": {hold.reason}" if hold.reason else ""
        return f"by {hold.caller} since {hold.held_at:%H:%M:%S} UTC{waits}{reason}"
    if campaign.state is CampaignState.FLOWING:
        return ""
    again = f" ({_duration(campaign.retry_after)})" if campaign.retry_after is not None else ""
    return campaign.detail + again


def _duration(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 100:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 6000 else f"{seconds // 3600}h"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    line = []
    for title, cell, width in zip(TITLES, row, widths, strict=True):
        fitting = cell if len(cell) <= width else f"{cell[: width - 3]}..."
        line.append(fitting.rjust(width) if title in NUMERIC else fitting.ljust(width))
    return "  ".join(line).rstrip()
