"""Runs the gateway of an earlier commit next to this one."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NOW, BEFORE = "now", "dd07127"
"""This version of the gateway, and the commit with which it is compared."""
Versions = Mapping[str, Mapping[str, str]]
"""The environment in which Python imports each version."""


@contextmanager
def versions() -> Iterator[Versions]:
    """Yield the versions to compare: `NOW`, and `BEFORE` if the repository has that commit."""
    with checkout(BEFORE) as earlier:
        if earlier is None:
            print(f"commit {BEFORE} is not in this repository, so nothing is compared with it")
            yield {NOW: {}}
        else:
            yield {NOW: {}, BEFORE: environment_of(earlier)}


@contextmanager
def checkout(commit: str) -> Iterator[Path | None]:
    """Write the files of a commit into a temporary folder; None if the repository lacks the commit."""
    with tempfile.TemporaryDirectory(prefix="before-") as folder:
        command = f"set -o pipefail; git archive {commit} gateway clients/python | tar -x -C {folder}"
        done = subprocess.run(["/bin/bash", "-c", command], check=False, capture_output=True)
        yield Path(folder) if done.returncode == 0 else None


def environment_of(root: Path) -> Mapping[str, str]:
    """Return the environment of a Python that imports a checkout."""
    root = root.resolve()
    return {"PYTHONPATH": f"{root}:{root / 'clients' / 'python'}", "PYTHONSAFEPATH": "1"}
