"""The figures of the guard and its trails, for metrics and the console. They read no file."""

import heapq
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.admin.port import GuardRow, GuardState
from gateway.control.guard_keeper import GuardKeeper
from gateway.control.guard_trail import GuardTrail
from gateway.core.compliance.records import GuardDecision
from gateway.telemetry import GuardFigures, ListFigures

if TYPE_CHECKING:
    from gateway.compliance.loaded_rules import LoadedRules

ROWS_SHOWN = 20
"""Kinds of refusals in the console."""
_REFUSED, _OBSERVED = GuardDecision.REFUSED.value, GuardDecision.OBSERVED.value


def guard_figures(
    keeper: GuardKeeper, trail: GuardTrail, waiting: int, now: float | None = None
) -> GuardFigures | None:
    """Return the figures, None if no guard decides. `waiting` requests wait until the rules allow them.

    `now` is in seconds since the epoch.
    """
    if not keeper.active:
        return None
    figures = GuardFigures(
        decisions={
            (kind.rule, kind.reason.name, kind.decision.value): count
            for kind, count in keeper.decisions.items()
        },
        waiting=waiting,
        suppressed=len(keeper.suppressions.live),
        trails=trail.figures(),
    )
    if keeper.rules is None:
        return figures
    return _with_rules(figures, keeper.rules, keeper.list_digests, now or time.time())


def guard_state(figures: GuardFigures | None) -> GuardState | None:
    """Return what the console shows of the figures: the refusals that are most frequent."""
    if figures is None:
        return None
    refused = [
        GuardRow(rule, reason, decision == _OBSERVED, count)
        for (rule, reason, decision), count in figures.decisions.items()
        if decision in {_REFUSED, _OBSERVED}
    ]
    return GuardState(
        figures.version,
        figures.waiting,
        figures.suppressed,
        figures.unusable_files,
        tuple(name for name, trail in figures.trails.items() if trail.failing),
        tuple(heapq.nlargest(ROWS_SHOWN, refused, key=lambda row: row.requests)),
    )


def _with_rules(
    figures: GuardFigures, rules: "LoadedRules", digests: Mapping[str, int], now: float
) -> GuardFigures:
    lists = rules.files.list_facts()
    return figures._replace(
        version=rules.files.rules.version,
        unusable_files=len(rules.files.complaints()),
        lists={
            name: ListFigures(
                one.numbers, None if one.modified_at is None else now - one.modified_at, digests.get(name)
            )
            for name, one in lists.items()
        },
        holidays_end={
            code: datetime(calendar.last_year + 1, 1, 1, tzinfo=UTC).timestamp()
            for code, calendar in rules.guard.calendars.items()
        },
    )
