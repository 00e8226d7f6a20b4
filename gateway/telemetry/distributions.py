"""Distributions of values: plain counts in buckets, which are exported as histograms.

A histogram of OpenTelemetry's SDK takes more than ten microseconds for each value, and one of
prometheus_client three; here it is half of one, and many equal values are added at once (decision 68).
"""

from bisect import bisect_left
from typing import NamedTuple

from gateway.telemetry.metric_definitions import Metric

Labels = tuple[str, ...]
"""The values of a metric's labels, in the order of `Metric.labels`."""


class Exemplar(NamedTuple):
    """One of the counted values, and the span that shows how it came about.

    `at_ns` is in nanoseconds since the epoch; `trace_id` and `span_id` are OpenTelemetry's numbers.
    """

    value: float
    at_ns: int
    trace_id: int
    span_id: int


class Distribution:
    """How many values are in each bucket, their sum, and the least and the largest.

    The last bucket has the values above all `bounds`. `exemplars` has the newest one of each bucket, by its
    number.
    """

    __slots__ = ("bounds", "buckets", "exemplars", "largest", "least", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.least, self.largest = float("inf"), float("-inf")
        self.exemplars: dict[int, Exemplar] = {}

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.buckets)

    def add(self, value: float, count: int = 1) -> None:
        """Count a value that occurred `count` times."""
        self.buckets[bisect_left(self.bounds, value)] += count
        self.sum += value * count
        if value < self.least:
            self.least = value
        if value > self.largest:
            self.largest = value

    def illustrate(self, exemplar: Exemplar) -> None:
        """Keep a counted value as the exemplar of its bucket."""
        self.exemplars[bisect_left(self.bounds, exemplar.value)] = exemplar

    def copy(self) -> "Distribution":
        """Return a copy, for reading in another thread."""
        copied = Distribution(self.bounds)
        copied.buckets, copied.exemplars = self.buckets.copy(), self.exemplars.copy()
        copied.sum, copied.least, copied.largest = self.sum, self.least, self.largest
        return copied


class Distributions:
    """The distributions of one metric, by the values of its labels. Their number must be bounded."""

    __slots__ = ("_by_labels", "metric")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._by_labels: dict[Labels, Distribution] = {}

    def of(self, *labels: str) -> Distribution:
        """Return the distribution of these label values."""
        return self._by_labels.get(labels) or self._enter(labels)

    def copies(self) -> list[tuple[Labels, Distribution]]:
        """Return a copy of each distribution with its label values."""
        return [(labels, found.copy()) for labels, found in self._by_labels.items()]

    def _enter(self, labels: Labels) -> Distribution:
        found = self._by_labels[labels] = Distribution(self.metric.bounds)
        return found
