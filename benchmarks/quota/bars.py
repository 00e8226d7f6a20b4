"""Compares measured numbers with their bars, and prints them as a table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One number, its format and its bar; a number without a bar is only for information."""

    name: str
    value: float
    shown: str = "{:.3g}"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the number meets its bar."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    @property
    def bar(self) -> str:
        """The bar as text."""
        if self.at_most is not None and self.at_most == self.at_least:
            return "exactly " + self.shown.format(self.at_most)
        if self.at_most is not None:
            return "at most " + self.shown.format(self.at_most)
        return "" if self.at_least is None else "at least " + self.shown.format(self.at_least)

    @property
    def verdict(self) -> str:
        """PASS or FAIL, or nothing without a bar."""
        if not self.bar:
            return ""
        return "PASS" if self.passed else "FAIL"


@dataclass(frozen=True, slots=True)
class Result:
    """The measurements of one scenario."""

    title: str
    checks: Sequence[Check]

    @property
    def failed(self) -> list[Check]:
        """The numbers that miss their bar."""
        return [check for check in self.checks if not check.passed]


def show(result: Result) -> None:
    """Print a scenario's numbers."""
    rows = [(one.name, one.shown.format(one.value), one.bar, one.verdict) for one in result.checks]
    table(("", "measured", "bar", ""), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headers, with the first column aligned left and the others right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip(), flush=True)


def summary(results: Sequence[Result]) -> None:
    """Print one line per scenario, and its failed checks."""
    print("\nsummary")
    for result in results:
        print(f"  {'FAIL' if result.failed else 'PASS'}  {result.title}")
        for check in result.failed:
            print(f"        {check.name}: {check.shown.format(check.value)}, bar {check.bar}")


def quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile of the values for this share; infinite if there are no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")
