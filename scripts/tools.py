"""Programs that are no Python packages, and that the checks and tests of deploy/ run: helm and promtool."""

import shutil
import sys
from pathlib import Path


def find(name: str) -> Path | None:
    """Return a program: that of this environment, or that of the machine; None where there is none."""
    ours = Path(sys.prefix) / "bin" / name
    found = str(ours) if ours.exists() else shutil.which(name)
    return Path(found) if found else None
