"""Files that the gateway reads again, written as tests need them, and the clocks that decide about them."""

import os
from pathlib import Path

from gateway.access.settled_file import FileClocks


class ManualClocks:
    """Two clocks that only the test moves; the wall clock begins long after all files were written."""

    def __init__(self) -> None:
        self.now, self.ahead = 100.0, 1e11

    @property
    def clocks(self) -> FileClocks:
        return FileClocks(lambda: self.now, lambda: self.ahead + self.now)


def put(path: Path, content: str | bytes) -> None:
    """Put a complete file into place, as one should: it is renamed long after it was written."""
    written = path.with_name(f"{path.name}.written")
    written.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(written, (1e9, 1e9))
    written.replace(path)
