"""What a dashboard consists of: rows of panels, with thresholds for figures."""

from typing import NamedTuple

from scripts.promql import Query


class Threshold(NamedTuple):
    """The color that a figure has from a value on; `at` is None for the lowest."""

    at: float | None
    color: str


class Panel(NamedTuple):
    """One panel: its title, unit as Grafana names it, help text, and queries.

    A panel of kind `stat` is one figure, and `thresholds` are its colors, from the lowest value up.
    """

    title: str
    unit: str
    text: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    stacked: bool = False
    thresholds: tuple[Threshold, ...] = ()


class Row(NamedTuple):
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def figure(title: str, unit: str, text: str, query: Query, *thresholds: tuple[float | None, str]) -> Panel:
    """Return a panel of one figure. A threshold is the value from which on it has a color."""
    return Panel(title, unit, text, (query,), "stat", thresholds=tuple(Threshold(*one) for one in thresholds))
