"""The rows of the table: a number of each fleet, and the bar of the fleet that shares its state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.fleet.arms import Arm
from benchmarks.quota.bars import Check, table


@dataclass(frozen=True, slots=True)
class Row:
    """One number. Without `at_most` and `at_least` it is only for information."""

    name: str
    values: Mapping[Arm, float]
    shown: str = "{:.3g}"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def check(self) -> Check | None:
        """The number of the fleet that shares its state, with its bar; None if it was not measured."""
        value = self.values.get(Arm.SHARED)
        return None if value is None else Check(self.name, value, self.shown, self.at_most, self.at_least)

    @property
    def failed(self) -> bool:
        """Whether the number misses its bar."""
        return self.check is not None and not self.check.passed

    def cells(self) -> list[str]:
        """Return the row as texts: name, one gateway, divided, shared, bar, verdict."""
        values = [self.shown.format(self.values[arm]) if arm in self.values else "" for arm in Arm]
        bar = Check("", 0.0, self.shown, self.at_most, self.at_least).bar
        return [self.name, *values, bar, self.check.verdict if self.check else ""]


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the comparison, with its rows."""

    title: str
    rows: Sequence[Row]


def column(measured: Mapping[Arm, Sequence[float]], number: int) -> Mapping[Arm, float]:
    """Return one number of each fleet, of all that were measured."""
    return {arm: values[number] for arm, values in measured.items()}


def show(cases: Sequence[Case]) -> None:
    """Print cases as one table."""
    head = ["", *(arm.value for arm in Arm), "bar", ""]
    lines: list[list[str]] = []
    for case in cases:
        lines.append([case.title, *[""] * (len(head) - 1)])
        lines += [["  " + row.cells()[0], *row.cells()[1:]] for row in case.rows]
    table(head, lines)
