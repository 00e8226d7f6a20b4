"""The file of a trail: only appended to, renamed when it is full, and never shared by two processes.

    guard.jsonl                              the file that is written
    guard.jsonl.20261129T061000.123456Z      an earlier one, by the time at which it was full

Another program may rename the file too; the next lines then go to a new one. A file that was removed, or
shortened by another program, is a loss.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.trail.lines import FIRST_BYTES, Line, TrailEnd, end_of

log = logging.getLogger(__name__)

MODE = 0o640
_BLOCK_BYTES = 65_536


class TrailRefused(OSError):  # noqa: N818 - says what happened
    """The file cannot be used: another process writes it, or it is no trail."""


class TrailFile:
    """Appends to one file. All methods may raise `OSError`, and may be called again after that.

    A file of `max_bytes` or more is renamed, and `kept` renamed files remain (1 at least). Not thread-safe.
    `damages` counts what another program, or the end of a process, has done to the file. `lost` stays 0: a
    line that is written is there.
    """

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        self.path = path
        self.damages = self.lost = 0
        self._most_bytes = max_bytes
        self._kept = kept
        self._descriptor: int | None = None
        self._left = b""
        self._written = 0

    def open(self) -> TrailEnd | None:
        """Open the file, or make it; return where the trail stands, None for a new one.

        A last line that is incomplete, since the process that wrote it was killed, is removed. If the file is
        new or empty, the newest renamed one says where the trail stands.
        """
        self._open()
        try:
            end = self._end_of_open_file()
        except OSError:
            self.close()
            raise
        earlier = self._renamed()
        if end is not None or not earlier:
            return end
        descriptor = os.open(earlier[-1], os.O_RDONLY | os.O_CLOEXEC)
        try:
            return end_of(_last_line(descriptor, os.fstat(descriptor).st_size)[0])
        finally:
            os.close(descriptor)

    def renew(self, now: float) -> bool:
        """Begin a new file if this one is full, renamed, removed or not open; return whether it did.

        `now` is in seconds since the epoch. A new file needs a line that says what it continues.
        """
        if self._left:  # in the middle of a line
            return False
        if self._descriptor is not None and not self._is_at_path():
            self.close()
        elif self._descriptor is not None and self._written >= self._most_bytes:
            self._rename(now)
        if self._descriptor is None:
            self._open()
            return self._written == 0
        return False

    def write(self, lines: Sequence[Line]) -> None:
        """Append lines. After an error, the next call appends what is left of them first."""
        self._left += b"".join([text for _, text in lines])
        while self._left:
            count = os.write(self._opened, self._left)
            self._left = self._left[count:]
            self._written += count

    def sync(self) -> None:
        """Make the lines so far outlive a failure of the machine."""
        os.fsync(self._opened)

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.fsync(descriptor)
            os.close(descriptor)

    def _damaged(self, what: str) -> None:
        self.damages += 1
        log.error("the audit trail %s: %s", self.path, what)

    @property
    def _opened(self) -> int:
        if self._descriptor is None:
            raise OSError(f"{self.path} is not open")
        return self._descriptor

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise TrailRefused(f"{self.path}: another process writes this file") from None
        except OSError:  # a file system without locks
            pass
        self._descriptor = descriptor
        self._written = os.fstat(descriptor).st_size
        _sync_folder(self.path.parent)

    def _end_of_open_file(self) -> TrailEnd | None:
        """Return where the trail stands after the open file, and remove an incomplete last line."""
        if not self._written:
            return None
        line, complete = _last_line(self._opened, self._written)
        end = end_of(line) if line else None
        begin = os.pread(self._opened, len(FIRST_BYTES), 0)
        if begin != FIRST_BYTES or (end is None and line):
            raise TrailRefused(f"{self.path}: is not empty, and does not hold lines of a trail")
        if complete < self._written:
            os.ftruncate(self._opened, complete)
            self._written = complete
            self._damaged("an incomplete last line was removed: the process that wrote it was killed")
        return end

    def _is_at_path(self) -> bool:
        """Whether the open file still has its name and its content."""
        ours = os.fstat(self._opened)
        if ours.st_nlink == 0:
            self._damaged("the file was removed by another program")
            return False
        if ours.st_size < self._written:
            self._damaged("the file was shortened by another program")
            self._written = ours.st_size
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def _rename(self, now: float) -> None:
        """Rename the full file, and remove those that are too old."""
        instant = datetime.fromtimestamp(now, UTC)
        self.path.rename(self.path.with_name(f"{self.path.name}.{instant:%Y%m%dT%H%M%S.%fZ}"))
        self.close()
        for path in self._renamed()[: -self._kept]:
            path.unlink()

    def _renamed(self) -> list[Path]:
        """Return the renamed files, the oldest first."""
        pattern = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "." + "[0-9]" * 6 + "Z"
        return sorted(self.path.parent.glob(f"{_escaped(self.path.name)}.{pattern}"))


def _last_line(descriptor: int, size: int) -> tuple[bytes, int]:
    """Return the last complete line of a file, and the size of the file up to its end."""
    begin, tail = size, b""
    while begin > 0 and tail.count(b"\n") < 2:
        count = min(_BLOCK_BYTES, begin)
        begin -= count
        tail = os.pread(descriptor, count, begin) + tail
    complete, line_end, _ = tail.rpartition(b"\n")
    if not line_end:
        return b"", 0
    return complete.rpartition(b"\n")[2], begin + len(complete) + 1


def _escaped(name: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlive a failure of the machine, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
