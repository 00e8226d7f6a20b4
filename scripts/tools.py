"""Finds helm and promtool, which the checks and tests of deploy/ run."""

import shutil
import sys
from pathlib import Path


def find(name: str) -> Path | None:
    """Return the path of a program, from this environment or from PATH; None if it is missing."""
    ours = Path(sys.prefix) / "bin" / name
    found = str(ours) if ours.exists() else shutil.which(name)
    return Path(found) if found else None
