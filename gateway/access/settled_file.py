"""Decides when a changed file may be used: not before its writer has finished.

All files that the gateway reads again are looked at by this module. Only what the file system says of a file
is compared: looking costs a system call. It does not say whether a writer has finished. These signs are used:

- The path leads to another file than before by a symbolic link, as when Kubernetes swaps a ConfigMap: it is
  complete.
- The file is another one (its inode), is not empty, and its `ctime` is later than its `mtime`: somebody
  renamed it, or set its mode, after the last byte was written. It is complete.
- Anything else may be in the middle of its writing. It counts as complete once it has not changed for
  `QUIET_S`. If it is smaller than the version in use, it may have been truncated by a program that computes
  the new content meanwhile: then it must not have changed for longer. How long depends on the file:
  `COMPUTED_QUIET_S` or `WRITTEN_QUIET_S`.
- A file that has only grown, at each look for `GROWING_S`, is one that is appended to all the time. It is
  used as it is, since it would never be quiet.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

QUIET_S = 0.95
"""Seconds for which a file must not have changed: two looks, a second apart, find it the same."""
WRITTEN_QUIET_S = 5.0
"""Seconds for which a smaller file must not have changed that is usually written at once, by hand or by a
program, and whose change may take away a right."""
COMPUTED_QUIET_S = 60.0
"""Seconds for which a smaller file must not have changed that a program may compute while it writes, and of
which a missing part may let a call out."""
GROWING_S = 10.0
"""Seconds for which a file must have only grown, to be used although it still changes."""


class FileClocks(NamedTuple):
    """Seconds on a clock that is never set, and seconds since the epoch."""

    steady: Callable[[], float]
    wall: Callable[[], float]


SYSTEM_CLOCKS = FileClocks(time.monotonic, time.time)


class Signature(NamedTuple):
    """A version of a file as the file system shows it: its size in bytes, its times in nanoseconds."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def signature_of(path: str) -> Signature | None:
    """Return the signature of a file, None if there is none. Links are followed."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return Signature(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class _Pending(NamedTuple):
    """A version that is not used yet: as it was found, since when, and whether the file has only grown.

    `changing_since` is when the first version was found after the one in use.
    """

    found: Signature
    since: float
    changing_since: float
    only_grown: bool


class SettledFile:
    """A file by its path, which reports a change only when the new version is complete.

    A version that is smaller than the one in use must not have changed for `shrunk_quiet_s` seconds. The
    first version is used as it is; it is `settled` if it was last written `QUIET_S` before the first look or
    earlier.
    """

    def __init__(self, path: str, shrunk_quiet_s: float, clocks: FileClocks = SYSTEM_CLOCKS) -> None:
        self.path = path
        self._shrunk_quiet_s = shrunk_quiet_s
        self._clocks = clocks
        self._looked = False
        self._seen: Signature | None = None
        self._pending: _Pending | None = None
        self._used: Signature | None = None
        self._target = ""
        self._is_named = False

    @property
    def settled(self) -> bool:
        """Whether the file was, at the last look, the version in use, or gone."""
        return self._pending is None

    def is_as_seen(self) -> bool:
        """Whether the file is still the version in use."""
        return signature_of(self.path) == self._seen

    @property
    def modified_at(self) -> float | None:
        """When the version in use was changed, in seconds since the epoch; None if the file is gone."""
        return None if self._seen is None else self._seen.mtime_ns / 1e9

    def changed(self) -> bool:
        """Whether there is a complete version, other than the one in use, or this is the first look.

        That the file has gone counts as a change.
        """
        found = signature_of(self.path)
        if not self._looked:
            self._note_first(found)
            return True
        if found is None:
            was_there, self._seen, self._pending = self._seen is not None, None, None
            return was_there
        if found == self._seen and (self._pending is None or self._pending.found != found):
            self._pending = None
            return False
        if not self._is_complete(found):
            return False
        is_other = found != self._seen
        self._use(found)
        return is_other

    def _note_first(self, found: Signature | None) -> None:
        self._looked = True
        if found is None:
            return
        self._use(found)
        if not (_is_placed(found) or self._clocks.wall() - found.mtime_ns / 1e9 >= QUIET_S):
            now = self._clocks.steady()
            self._pending = _Pending(found, now, now, only_grown=True)

    def _use(self, found: Signature) -> None:
        self._seen = self._used = found
        self._target = os.path.realpath(self.path)
        self._pending, self._is_named = None, False

    def _is_complete(self, found: Signature) -> bool:
        if self._used is not None and os.path.realpath(self.path) != self._target:
            return True
        is_another = self._seen is None or self._seen.inode != found.inode  # a removed file leaves its inode
        if is_another and _is_placed(found):
            return True
        return self._is_quiet(found, self._clocks.steady())

    def _is_quiet(self, found: Signature, now: float) -> bool:
        """Whether a version has not changed for long enough, or the file only grows; note the version."""
        before = self._pending
        if before is None or before.found != found:
            self._pending = before = self._next(before, found, now)
        shrunk = self._used is not None and found.size < self._used.size
        if shrunk and not self._is_named and self._shrunk_quiet_s > QUIET_S:
            self._is_named = True
            log.warning(
                "%s has become smaller; what was read before stays in use until it has not changed for %d s; "
                "a complete file that is renamed into its place is used at once",
                self.path,
                self._shrunk_quiet_s,
            )
        if now - before.since >= (self._shrunk_quiet_s if shrunk else QUIET_S):
            return True
        return before.only_grown and now - before.changing_since >= GROWING_S

    def _next(self, before: _Pending | None, found: Signature, now: float) -> _Pending:
        last = self._used if before is None else before.found
        grown = last is not None and last.inode == found.inode and last.size <= found.size
        if before is None:
            return _Pending(found, now, now, grown)
        return _Pending(found, now, before.changing_since, before.only_grown and grown)


def _is_placed(found: Signature) -> bool:
    """Whether a file got its name or mode after its last byte was written."""
    return found.size > 0 and found.ctime_ns > found.mtime_ns
