"""The file that names the leads a run may have handed over, next to the results file (decision 51).

It exists from before the first lead is handed over until every lead of the run has its line in the results.
If it exists at the start of a run, the last run was killed. The leads that it names, and that have no line in
the results from that run, may have been sent without an answer.

Each line has a campaign, the number of lines that the results had at the start of the run, and tokens. Tokens
stay valid if the list is edited or sorted between two runs; line numbers would not.
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

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.log_files import truncate_partial_line, try_lock
from dialgateway.dialctl.results_file import cell


class Handover(NamedTuple):
    """Leads of one campaign that a run may have handed over.

    `campaign_id` and `tokens` are escaped as in the results. `rows_before` is the number of lines in the
    results at the start of the run, without the header.
    """

    campaign_id: str
    rows_before: int
    tokens: list[str]


def path_beside(results: Path) -> Path:
    """Return the path of this file for a results file."""
    return results.with_name(results.name + ".under-way")


def read_handovers(results: Path) -> Iterator[Handover]:
    """Yield what killed runs have left; nothing if the last run was not killed. Raises UnusableFile."""
    path = path_beside(results)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, strict=True):
                campaign_id, rows_before, tokens, _ = row
                yield Handover(campaign_id, int(rows_before), tokens.split())
    except FileNotFoundError:
        return
    except (csv.Error, ValueError):
        raise UnusableFile(
            f"{path}: was changed. It names the leads that a killed run may have dialed; restore it, or "
            "choose another results file with --results"
        ) from None


class HandoverLog:
    """Writes the file, and removes it when each of its leads has a line in the results.

    Lines of an earlier run are kept until then, since its leads may still be without one. The file is locked,
    because two runs with the same results would not know each other's leads. Raises UnusableFile if it is
    locked.
    """

    def __init__(self, results: Path) -> None:
        self._path = path_beside(results)
        self._raw = self._open(results)
        truncate_partial_line(self._raw)
        self._file = io.TextIOWrapper(self._raw, encoding="utf-8", newline="", line_buffering=True)
        self._write = csv.writer(self._file, lineterminator="\n").writerow
        self.rows_before = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Errors are ignored: a full disk has been reported before.
        with contextlib.suppress(OSError, ValueError):
            if self._raw.seek(0, os.SEEK_END) == 0:
                self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._file.close()

    def note(self, campaign_id: str, tokens: Iterable[str]) -> None:
        """Write that leads of a campaign may be handed over from now on."""
        self._write((cell(campaign_id), self.rows_before, " ".join(tokens), ""))

    def remove(self) -> None:
        """Remove the file: every lead of this run has its line."""
        self._raw.truncate(0)
        self._file.close()
        with contextlib.suppress(OSError):  # an empty file means the same
            self._path.unlink()

    def _open(self, results: Path) -> BinaryIO:
        while True:
            raw = self._path.open("a+b")
            if not try_lock(raw):
                raw.close()
                raise UnusableFile(f"{results}: another dialctl is writing to it; wait until that has ended")
            # Another run may have removed the file between opening and locking it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(raw.fileno()), self._path.stat()):
                    return raw
            raw.close()
