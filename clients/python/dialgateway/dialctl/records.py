"""What a list is read as: records of cells, each with the line on which it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a list, or lines that are none.

    `line` is where it begins in the file, counted from 1. With a `problem` there are no cells, and `leads` is
    about how many leads its lines hold.
    """

    line: int
    cells: list[str]
    problem: str = ""
    leads: int = 1


class Records(Protocol):
    """A list that has been opened.

    `notes` say how it is read where that is not the usual way; `empty_rows` counts the rows without a value
    that have been left out so far.
    """

    notes: list[str]
    empty_rows: int

    def __iter__(self) -> Iterator[Record]:
        """Yield the header and every row behind it, blank ones left out."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def is_filled(cells: list[str]) -> bool:
    """Whether one of the cells holds more than white space."""
    return bool(cells) and bool(cells[0].strip() or any(map(str.strip, cells)))
