"""Leads of a campaign that waits, kept on disk so that the leads behind them can be read and sent."""

from __future__ import annotations

import pickle
import tempfile
from collections import deque

from dialgateway.dialctl.leads import Lead

_TOGETHER = 100


class Spool:
    """A queue of leads in a temporary file, which has no name and is gone with the process.

    At most `_TOGETHER` leads at either end are in memory.
    """

    def __init__(self) -> None:
        # Opened by whoever owns the spool, and closed by `close`: it lives as long as its campaign.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._read_at = self._write_at = 0
        self._first: deque[Lead] = deque()
        self._last: list[Lead] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, lead: Lead) -> None:
        """Add a lead at the end."""
        self._last.append(lead)
        self._count += 1
        if len(self._last) >= _TOGETHER:
            self._file.seek(self._write_at)
            pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
            self._write_at = self._file.tell()
            self._last = []

    def take(self) -> Lead:
        """Take out the first lead; there must be one."""
        if not self._first and self._read_at < self._write_at:
            self._file.seek(self._read_at)
            self._first.extend(pickle.load(self._file))  # noqa: S301 - written above, by this process
            self._read_at = self._file.tell()
        elif not self._first:
            self._first.extend(self._last)
            self._last = []
        self._count -= 1
        return self._first.popleft()

    def close(self) -> None:
        """Give up the file."""
        self._file.close()
