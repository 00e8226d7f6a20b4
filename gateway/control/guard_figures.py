"""The figures of the guard and its trails, for metrics. They read no file."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.control.guard_keeper import GuardKeeper
from gateway.control.guard_trail import GuardTrail
from gateway.telemetry import GuardFigures, TrailFigures

if TYPE_CHECKING:
    from gateway.compliance.loaded_rules import LoadedRules


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
            (decided.rule, decided.reason.name, decided.decision.value): count
            for decided, count in keeper.decisions.items()
        },
        waiting=waiting,
        suppressed=len(keeper.suppressions.live),
        trails={name: TrailFigures(*one) for name, one in trail.figures().items()},
    )
    return figures if keeper.rules is None else _with_rules(figures, keeper.rules, now or time.time())


def _with_rules(figures: GuardFigures, rules: "LoadedRules", now: float) -> GuardFigures:
    lists = rules.files.list_figures()
    return figures._replace(
        version=rules.files.rules.version,
        unusable_files=len(rules.files.complaints()),
        lists={
            name: (size, None if changed_at is None else now - changed_at)
            for name, (size, changed_at) in lists.items()
        },
        holidays_end={
            code: datetime(calendar.last_year + 1, 1, 1, tzinfo=UTC).timestamp()
            for code, calendar in rules.guard.calendars.items()
        },
    )
