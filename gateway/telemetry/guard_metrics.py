"""The metrics of the compliance guard and its audit trail. They exist only if the guard decides.

Rules, lists and calendars are named by the guard file, so there are as many labels as the file has names.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from gateway.telemetry.metric_definitions import Metric

DECISIONS = Metric("dial_gateway.guard.decisions", "{decision}", "Decisions of the guard, by rule and reason")
WAITING = Metric(
    "dial_gateway.guard.waiting", "{request}", "Dial requests that wait until the rules allow them"
)
RULES = Metric("dial_gateway.guard.rules.info", "", "1, with the version of the rules in use")
UNUSABLE = Metric(
    "dial_gateway.guard.files.unusable", "{file}", "Guard file and lists whose present content is not in use"
)
LIST_NUMBERS = Metric("dial_gateway.guard.list.numbers", "{number}", "Numbers of a suppression list")
LIST_DIGEST = Metric(
    "dial_gateway.guard.list.digest", "", "A keyed digest of a list: equal where its numbers are equal"
)
LIST_AGE = Metric("dial_gateway.guard.list.age", "s", "Time since the file of a list was changed")
SUPPRESSED = Metric("dial_gateway.guard.suppressed", "{number}", "Numbers that operators have suppressed")
HOLIDAYS_END = Metric(
    "dial_gateway.guard.holidays.end_timestamp",
    "s",
    "When a table of holidays ends; after it every day is closed",
)
RECORDS = Metric("dial_gateway.guard.audit.records", "{record}", "Records written to a trail")
LOST = Metric("dial_gateway.guard.audit.records.lost", "{record}", "Records that a trail lacks")
DAMAGES = Metric(
    "dial_gateway.guard.audit.damages", "{damage}", "Times that the file of a trail was found damaged"
)
RECORDS_WAITING = Metric("dial_gateway.guard.audit.waiting", "{record}", "Records that wait to be written")
FAILING = Metric("dial_gateway.guard.audit.failing", "", "1 while a trail cannot be written, else 0")
WRITTEN_AT = Metric("dial_gateway.guard.audit.last_write_timestamp", "s", "When a trail was last written")

Values = Iterable[tuple[float, dict[str, str]]]
Figures = TypeVar("Figures")


class TrailFigures(NamedTuple):
    """The state of an audit trail: records `written`, `lost` and `waiting`, and `damages` of its file.

    `failing`: the last attempt to write has failed. `written_at` is when something was written last, in
    seconds since the epoch; None until then.
    """

    written: int = 0
    lost: int = 0
    damages: int = 0
    waiting: int = 0
    failing: bool = False
    written_at: float | None = None


class ListFigures(NamedTuple):
    """The size of a list, and the seconds since its file was changed; None if that is gone.

    `digest` is None while this replica has no key that the others have.
    """

    numbers: int
    age_s: float | None = None
    digest: int | None = None


class GuardFigures(NamedTuple):
    """The state of the guard.

    `decisions` are counted by rule, reason and decision. `version` is empty without a guard file.
    `holidays_end` has the end of each table in seconds since the epoch. `trails` are named by their kind.
    """

    decisions: Mapping[tuple[str, str, str], int] = MappingProxyType({})
    waiting: int = 0
    version: str = ""
    unusable_files: int = 0
    lists: Mapping[str, ListFigures] = MappingProxyType({})
    suppressed: int = 0
    holidays_end: Mapping[str, float] = MappingProxyType({})
    trails: Mapping[str, TrailFigures] = MappingProxyType({})


def _decisions(guard: GuardFigures) -> Values:
    for (rule, reason, decision), count in guard.decisions.items():
        yield count, {"rule": rule, "reason": reason, "decision": decision}


def _rules(guard: GuardFigures) -> Values:
    return [(1, {"version": guard.version})] if guard.version else []


def _of_lists(read: Callable[[ListFigures], float | None]) -> Callable[[GuardFigures], Values]:
    """Return what reads a figure of each list that has it."""
    return _of_each("list", lambda guard: guard.lists, read)


def _holidays_end(guard: GuardFigures) -> Values:
    return [(ends_at, {"calendar": code}) for code, ends_at in guard.holidays_end.items()]


def _of_trails(read: Callable[[TrailFigures], float | None]) -> Callable[[GuardFigures], Values]:
    """Return what reads a figure of each trail that has it."""
    return _of_each("trail", lambda guard: guard.trails, read)


def _of_each(
    label: str,
    named: Callable[[GuardFigures], Mapping[str, Figures]],
    read: Callable[[Figures], float | None],
) -> Callable[[GuardFigures], Values]:
    """Return what reads a figure of each of the things in `named` that has it."""

    def values(guard: GuardFigures) -> Values:
        for name, figures in named(guard).items():
            value = read(figures)
            if value is not None:
                yield value, {label: name}

    return values


GAUGES: dict[Metric, Callable[[GuardFigures], Values]] = {
    WAITING: lambda guard: [(guard.waiting, {})],
    RULES: _rules,
    UNUSABLE: lambda guard: [(guard.unusable_files, {})],
    LIST_NUMBERS: _of_lists(lambda one: one.numbers),
    LIST_DIGEST: _of_lists(lambda one: one.digest),
    LIST_AGE: _of_lists(lambda one: one.age_s),
    SUPPRESSED: lambda guard: [(guard.suppressed, {})],
    HOLIDAYS_END: _holidays_end,
    RECORDS_WAITING: _of_trails(lambda trail: trail.waiting),
    FAILING: _of_trails(lambda trail: int(trail.failing)),
    WRITTEN_AT: _of_trails(lambda trail: trail.written_at),
}
COUNTERS: dict[Metric, Callable[[GuardFigures], Values]] = {
    DECISIONS: _decisions,
    RECORDS: _of_trails(lambda trail: trail.written),
    LOST: _of_trails(lambda trail: trail.lost),
    DAMAGES: _of_trails(lambda trail: trail.damages),
}
