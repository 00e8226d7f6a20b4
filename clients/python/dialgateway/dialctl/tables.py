"""Campaigns as a table of text that no campaign id, and no word of a caller, can use to steer a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta

from dialgateway.campaigns import Campaign, CampaignState
from dialgateway.values import Outcome

_WIDEST = {"CAMPAIGN": 40, "WHY": 70}
_TITLES = ("CAMPAIGN", "STATE", "QUEUED", "IN FLIGHT", "OLDEST", "ACC/S", "ACCEPTED", "OTHER", "WHY")
_RIGHT = frozenset({"QUEUED", "IN FLIGHT", "OLDEST", "ACC/S", "ACCEPTED", "OTHER"})


def plain(text: str) -> str:
    """Return text in which every character that is not simply shown stands as an escape.

    So do those that turn or join what is beside them: no id can look like another that way.
    """
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode() for one in text)


def table(campaigns: Iterable[Campaign]) -> list[str]:
    """Return the lines of a table, its titles first."""
    rows = [_TITLES, *map(_cells, campaigns)]
    widths = [
        min(max(len(row[column]) for row in rows), _WIDEST.get(title, 99))
        for column, title in enumerate(_TITLES)
    ]
    return [_line(row, widths) for row in rows]


def sentence(campaign: Campaign) -> str:
    """Return one campaign in one line."""
    name, state, queued, in_flight, oldest, rate, accepted, other, why = _cells(campaign)
    counts = f"{queued} queued (oldest {oldest}), {in_flight} in flight, {rate}/s"
    return f"{name}: {state}, {counts}, {accepted} accepted, {other} other" + (f"; {why}" if why else "")


def _cells(campaign: Campaign) -> tuple[str, ...]:
    accepted = campaign.outcomes[Outcome.ACCEPTED]
    return (
        plain(campaign.campaign_id),
        campaign.state.lower(),
        f"{campaign.queued:,}",
        f"{campaign.in_flight:,}",
        _duration(campaign.oldest_wait),
        f"{campaign.accepted_per_second:.1f}",
        f"{accepted:,}",
        f"{sum(campaign.outcomes.values()) - accepted:,}",
        plain(_why(campaign)),
    )


def _why(campaign: Campaign) -> str:
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
    cells = []
    for title, cell, width in zip(_TITLES, row, widths, strict=True):
        fitting = cell if len(cell) <= width else f"{cell[: width - 3]}..."
        cells.append(fitting.rjust(width) if title in _RIGHT else fitting.ljust(width))
    return "  ".join(cells).rstrip()


def _is_shown(character: str) -> bool:
    if character == " ":
        return True
    return unicodedata.category(character)[0] not in {"C", "Z", "M"} and character != "\\"
