"""Files that are read again when they change."""

from pathlib import Path

_Signature = tuple[int, int, int, int]


class WatchedFile:
    """A file by its path, and whether it has changed since it was last looked at.

    Only what the file system says of it is compared: looking costs a system call. Links are followed,
    as Kubernetes swaps them when a Secret or ConfigMap changes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: _Signature | None = None
        self._looked = False

    def changed(self) -> bool:
        """Whether the file is another than at the last look, or this is the first; that it went counts."""
        found = self._signature()
        changed = not self._looked or found != self._seen
        self._looked, self._seen = True, found
        return changed

    @property
    def modified_at(self) -> float | None:
        """When the file was changed, in seconds since the epoch, as of the last look; None if it was gone."""
        return None if self._seen is None else self._seen[2] / 1e9

    def read(self) -> bytes:
        """Return the content. Raises `OSError` if the file cannot be read."""
        return Path(self.path).read_bytes()

    def _signature(self) -> _Signature | None:
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
