"""Which leads of a run may have been handed over, noted beside the results as long as the run goes on.

The file is there from before the first lead is handed over until every lead of the run has its line. Where it
is missing, the last run has come to its end in order. Where it is left behind, that run was killed. The leads
that it names and that have no line in the results since that run began may have been sent without an answer.

Each line names a campaign, how many lines the results had when the run began, and tokens. Tokens stay true
when the list is edited or sorted in between; line numbers would not.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from dialgateway.dialctl.appended import cut_off_half_a_line, locked
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.results_file import cell


class Note(NamedTuple):
    """Leads of one campaign that may have been handed over by a run.

    The campaign is written as it is in the results. `rows_before` is the number of lines that the results had
    when that run began, without their header.
    """

    campaign_id: str
    rows_before: int
    tokens: list[str]


def path_beside(results: Path) -> Path:
    """Return where this is noted."""
    return results.with_name(results.name + ".under-way")


def read_notes(results: Path) -> Iterator[Note]:
    """Yield what killed runs have left; nothing where the last one came to its end. Raises UnusableFile."""
    path = path_beside(results)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, strict=True):
                campaign_id, rows_before, tokens, _ = row
                yield Note(campaign_id, int(rows_before), tokens.split())
    except FileNotFoundError:
        return
    except (csv.Error, ValueError):
        raise UnusableFile(
            f"{path}: is not as dialctl has left it. It says which leads a run that was killed may have "
            "dialed; put it back as it was, or choose another file with --results"
        ) from None


class UnderWayFile:
    """Notes which leads are handed over, and is removed when each of them has its line.

    What an earlier run has left is kept until then, since its leads may still be without a line. The file is
    locked: two runs with the same results would not know of each other's leads. Raises UnusableFile.
    """

    def __init__(self, results: Path) -> None:
        self._path = path_beside(results)
        self._raw = self._open(results)
        cut_off_half_a_line(self._raw)
        self._file = io.TextIOWrapper(self._raw, encoding="utf-8", newline="", line_buffering=True)
        self._write = csv.writer(self._file, lineterminator="\n").writerow
        self.rows_before = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whatever closing it says: a disk that is full has been told of before.
        with contextlib.suppress(OSError, ValueError):
            if self._raw.seek(0, os.SEEK_END) == 0:
                self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._file.close()

    def note(self, campaign_id: str, tokens: Iterable[str]) -> None:
        """Note that leads of a campaign may be handed over from now on."""
        self._write((cell(campaign_id), self.rows_before, " ".join(tokens), ""))

    def remove(self) -> None:
        """Say that every lead of this run has its line."""
        self._raw.truncate(0)
        self._file.close()
        with contextlib.suppress(OSError):  # empty it says the same
            self._path.unlink()

    def _open(self, results: Path) -> BinaryIO:
        while True:
            raw = self._path.open("a+b")
            if not locked(raw):
                raw.close()
                raise UnusableFile(f"{results}: another dialctl is writing to it; wait for its end")
            # Another run may have removed the file between opening and locking it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(raw.fileno()), self._path.stat()):
                    return raw
            raw.close()
