"""Campaigns as text: the cells of a table, the table for pipes, and one campaign as one line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from dialgateway.campaigns import Campaign, CampaignsSeen, CampaignState, Confirmation, ReplicaPart
from dialgateway.dialctl.terminal import unambiguous
from dialgateway.values import Outcome, Reason

TITLES = ("CAMPAIGN", "STATE", "QUEUED", "IN FLIGHT", "OLDEST", "ACC/S", "ACCEPTED", "OTHER", "WHY")
NAME = "NAME"
"""The title of the second column, if the gateway knows names of campaigns."""
REPLICAS = "QUEUED+IN FLIGHT BY REPLICA"
"""The title of the last column in a fleet: what each replica has of a campaign."""
MORE_TITLES = ("OUTCOMES", "REASON", "SINCE", "LAST ACTION")
"""The titles of the columns that only `-o wide` has."""
TAGS = "TAGS"
"""The title of its last column, if the gateway knows tags of campaigns."""
NUMERIC = frozenset({"QUEUED", "IN FLIGHT", "OLDEST", "ACC/S", "ACCEPTED", "OTHER"})
"""The columns that are aligned to the right."""
MAX_WIDTHS = {"CAMPAIGN": 40, NAME: 40, "WHY": 70, REPLICAS: 200}
"""The width at which a column's texts are cut, in characters."""


def titles(campaigns: Iterable[Campaign]) -> tuple[str, ...]:
    """Return the titles of a table, with names if there are any, and with replicas in a fleet."""
    shown = list(campaigns)
    first, *others = TITLES
    named = [NAME] if any(campaign.name for campaign in shown) else []
    fleet = [REPLICAS] if any(campaign.replicas for campaign in shown) else []
    return (first, *named, *others, *fleet)


def cells(campaign: Campaign) -> dict[str, str]:
    """Return the cells of a campaign's row by their titles. They are safe to write to a terminal."""
    accepted = campaign.outcomes[Outcome.ACCEPTED]
    texts = (
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
    return {
        **dict(zip(TITLES, texts, strict=True)),
        NAME: unambiguous(campaign.name),
        REPLICAS: ", ".join(_part(campaign, part) for part in campaign.replicas),
    }


def table_lines(campaigns: Sequence[Campaign]) -> list[str]:
    """Return a table as lines, titles first. Rows are not cut to a terminal's width: pipes have none."""
    columns = titles(campaigns)
    return _aligned(columns, [_row(columns, campaign) for campaign in campaigns], MAX_WIDTHS)


def wide_lines(campaigns: Sequence[Campaign]) -> list[str]:
    """Return a table with more columns as lines, titles first. No text is cut."""
    columns = titles(campaigns)
    rows = [(*_row(columns, campaign), *_more(campaign)) for campaign in campaigns]
    if not any(campaign.tags for campaign in campaigns):
        return _aligned((*columns, *MORE_TITLES), [row[:-1] for row in rows], {})
    return _aligned((*columns, *MORE_TITLES, TAGS), rows, {})


def _row(columns: Iterable[str], campaign: Campaign) -> tuple[str, ...]:
    texts = cells(campaign)
    return tuple(texts[title] for title in columns)


def _more(campaign: Campaign) -> tuple[str, ...]:
    action = campaign.last_action
    done = ""
    if action is not None:
        reason = f": {action.reason}" if action.reason else ""
        answered = f", {action.answered:,} answered" if action.answered else ""
        done = f"{action.kind.lower()} by {action.caller} at {action.done_at:%H:%M:%S} UTC{answered}{reason}"
    return (
        ", ".join(f"{count:,} {outcome}" for outcome, count in campaign.outcomes.items() if count),
        campaign.reason.value if campaign.reason is not Reason.UNSPECIFIED else "",
        f"{campaign.since:%Y-%m-%dT%H:%M:%SZ}" if campaign.since is not None else "",
        unambiguous(done),
        ", ".join(f"{unambiguous(key)}={unambiguous(value)}" for key, value in campaign.tags.items()),
    )


def _aligned(columns: Sequence[str], rows: Iterable[Sequence[str]], most: Mapping[str, int]) -> list[str]:
    table = [columns, *rows]
    widths = [
        min(max(len(row[column]) for row in table), most.get(title, sys.maxsize))
        for column, title in enumerate(columns)
    ]
    return [_line(columns, row, widths) for row in table]


def campaign_line(campaign: Campaign) -> str:
    """Return one campaign as one line."""
    row = cells(campaign)
    replicas, why = row[REPLICAS], row["WHY"]
    oldest = f" (oldest {row['OLDEST']})" if campaign.queued else ""
    counts = f"{row['QUEUED']} queued{oldest}, {row['IN FLIGHT']} in flight, {row['ACC/S']}/s"
    more = (f"; {why}" if why else "") + (f"; queued+in flight by replica: {replicas}" if replicas else "")
    answers = f"{row['ACCEPTED']} accepted, {row['OTHER']} other"
    return f"{campaign_label(campaign)}: {row['STATE']}, {counts}, {answers}{more}"


def campaign_label(campaign: Campaign) -> str:
    """Return the id of a campaign, with its name if that is known."""
    name = f" ({unambiguous(campaign.name)})" if campaign.name else ""
    return f"{unambiguous(campaign.campaign_id)}{name}"


def missing_replicas(seen: CampaignsSeen) -> str:
    """Return which replicas a listing does not include, to append to a text; empty if none is missing."""
    names = [unambiguous(replica.name) for replica in seen.replicas if not replica.reported]
    return f"; without {', '.join(names)}, no report from there" if names else ""


def confirmation_texts(confirmation: Confirmation | None) -> tuple[str, str]:
    """Return a text with the replicas that have carried an action out, and one that names a problem.

    Each is empty if there is nothing to say. Without a fleet both are.
    """
    if confirmation is None:
        return "", ""
    names = ", ".join(map(unambiguous, confirmation.confirmed))
    if confirmation.only_here:
        return "", f"ONLY {names} has done it: the shared state cannot be reached"
    unconfirmed = ", ".join(map(unambiguous, confirmation.unconfirmed))
    problem = f"NOT confirmed by {unconfirmed}: may go on as before until it reaches the shared state"
    return f"confirmed by {names}", problem if unconfirmed else ""


def _part(campaign: Campaign, part: ReplicaPart) -> str:
    """Return how many requests a replica has queued and in flight, and its state if that differs."""
    state = "" if part.state is campaign.state else f" {part.state.lower()}"
    return f"{unambiguous(part.replica)} {part.queued:,}+{part.in_flight:,}{state}"


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


def _line(columns: Sequence[str], row: Sequence[str], widths: Sequence[int]) -> str:
    line = []
    for title, cell, width in zip(columns, row, widths, strict=True):
        fitting = cell if len(cell) <= width else f"{cell[: width - 3]}..."
        line.append(fitting.rjust(width) if title in NUMERIC else fitting.ljust(width))
    return "  ".join(line).rstrip()
