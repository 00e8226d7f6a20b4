"""Files that are read again when they change."""

from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """A version of a file as the file system shows it: its size in bytes, its times in nanoseconds."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class WatchedFile:
    """A file by its path, and whether it has changed since it was last looked at.

    Only what the file system says of it is compared: looking costs a system call. Links are followed,
    as Kubernetes swaps them when a Secret or ConfigMap changes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: Signature | None = None
        self._looked = False

    def changed(self) -> bool:
        """Whether the file has changed or disappeared since the last look, or this is the first look."""
        found = self._signature()
        changed = not self._looked or found != self._seen
        self._looked, self._seen = True, found
        return changed

    @property
    def settled(self) -> bool:
        """Whether the version of the last look may be used. Subclasses may wait for its writer."""
        return True

    def is_as_seen(self) -> bool:
        """Whether the file is still the version of the last look, as far as that matters to readers."""
        return True

    @property
    def modified_at(self) -> float | None:
        """When the file was changed, in seconds since the epoch, as of the last look; None if it was gone."""
        return None if self._seen is None else self._seen.mtime_ns / 1e9

    def read(self) -> bytes:
        """Return the content. Raises `OSError` if the file cannot be read."""
        return Path(self.path).read_bytes()

    def _signature(self) -> Signature | None:
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        return Signature(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
