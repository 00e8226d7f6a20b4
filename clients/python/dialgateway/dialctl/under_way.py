"""Which leads of a run may have been handed over, noted beside the results as long as the run goes on.

The file is there from before the first lead is handed over until every lead of the run has its line. So
where it is missing, the last run has come to its end in order. Where it is left behind, that run was killed,
and leads up to the lines that it names may have been sent without hearing of it.
"""

from __future__ import annotations

import contextlib
import csv
from dataclasses import dataclass, field
from pathlib import Path

EVERY_LINE = 1 << 62


@dataclass(slots=True)
class UnderWay:
    """The last line of each campaign that may have been handed over; leads are handed over in order.

    `list_size` is the size of the list in bytes, None where it is not known: in a list that has changed
    since, lines are not what they were.
    """

    lines: dict[str, int] = field(default_factory=dict)
    list_size: int | None = None

    def may_have_sent(self, campaign_id: str, line: int, list_size: int | None) -> bool:
        """Whether a lead without a line in the results may have been handed over."""
        last = self.lines.get(campaign_id)
        if last is None:
            return False
        changed = None not in {list_size, self.list_size} and list_size != self.list_size
        return changed or line <= last


def path_beside(results: Path) -> Path:
    """Return where this is noted."""
    return results.with_name(results.name + ".under-way")


def read_under_way(results: Path) -> UnderWay:
    """Read what a run has left that was killed; nothing where the last one came to its end."""
    found = UnderWay()
    try:
        with path_beside(results).open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                if len(row) == 4 and row[1].isdigit() and row[3] == "":
                    found.lines[row[0]] = max(int(row[1]), found.lines.get(row[0], 0))
                    found.list_size = int(row[2]) if row[2].isdigit() else None
    except FileNotFoundError:
        pass
    return found


class UnderWayFile:
    """Notes how far leads are handed over, and is removed when each of them has its line.

    What an earlier run has left is kept until then, since its leads may still be without a line.
    """

    def __init__(self, results: Path, list_size: int | None) -> None:
        self._path = path_beside(results)
        self._file = self._path.open("a", encoding="utf-8", newline="", buffering=1)
        self._write = csv.writer(self._file, lineterminator="\n").writerow
        self._list_size = "" if list_size is None else str(list_size)
        self._write(())  # behind half a line that was left

    def note(self, campaign_id: str, line: int) -> None:
        """Note that leads of a campaign up to a line of the list may be handed over from now on."""
        self._write((campaign_id, line, self._list_size, ""))

    def remove(self) -> None:
        """Say that every lead of this run has its line."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Leave the file to the next run, whatever closing it says."""
        with contextlib.suppress(OSError):
            self._file.close()
