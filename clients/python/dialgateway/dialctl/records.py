"""The records of a list: cells and a line number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a list, or lines that cannot be split into cells.

    `line` is where it begins in the file, counted from 1. With a `problem` there are no cells, and `leads` is
    the approximate number of leads in its lines.
    """

    line: int
    cells: list[str]
    problem: str = ""
    leads: int = 1


class Records(Protocol):
    """An open list.

    `notes` tell the user what was detected, such as the encoding. `empty_rows` counts the rows without a
    value that were skipped so far.
    """

    notes: list[str]
    empty_rows: int

    def __iter__(self) -> Iterator[Record]:
        """Yield the header and all other rows that are not empty."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def is_filled(cells: list[str]) -> bool:
    """Whether one of the cells has more than white space."""
    return bool(cells) and bool(cells[0].strip() or any(map(str.strip, cells)))
