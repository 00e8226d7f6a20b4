"""A queue of leads on disk, so that leads of other campaigns further on in the list can be sent."""

from __future__ import annotations

import pickle
import tempfile
from collections import deque

from dialgateway.dialctl.leads import Lead

_BLOCK = 100


class Spool:
    """A queue of leads in a temporary file without a name, which disappears with the process.

    At most `_BLOCK` leads at each end are in memory.
    """

    def __init__(self) -> None:
        # Closed by `close()`: the file is used as long as its campaign is sent.
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
        if len(self._last) >= _BLOCK:
            self._file.seek(self._write_at)
            pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
            self._write_at = self._file.tell()
            self._last = []

    def take(self) -> Lead:
        """Remove and return the first lead; there must be one."""
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
        """Close the file, which removes it."""
        self._file.close()
