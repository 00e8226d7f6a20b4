"""Helpers for append-only files: remove a partial last line, and lock the file."""

from __future__ import annotations

import os
import sys
from typing import IO, BinaryIO

_BLOCK_BYTES = 65_536


def truncate_partial_line(file: BinaryIO) -> None:
    """Truncate a file, open for reading and writing, after its last line end."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(end - _BLOCK_BYTES, 0)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end < size:
        file.truncate(end)


if sys.platform == "win32":
    import msvcrt

    _FAR_BEHIND_THE_END = 1 << 30  # others cannot read locked bytes, so a byte after the end is locked

    def try_lock(file: IO[bytes]) -> bool:
        """Lock a file until it is closed. Return False if another process has locked it."""
        file.seek(_FAR_BEHIND_THE_END)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: IO[bytes]) -> bool:
        """Lock a file until it is closed. Return False if another process has locked it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
