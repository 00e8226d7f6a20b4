"""dialctl with closed standard files, as some cron jobs and supervisors start it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from dialgateway.dialctl import main

code = main(["completion", "bash"])
names = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
with open(sys.argv[1], "w") as file:
    file.write(f"{code} {' '.join(names)}")
"""


@pytest.mark.parametrize(
    ("redirections", "null"), [("<&- >&- 2>&-", [0, 1, 2]), ("</dev/zero >&- 2>/dev/zero", [1])]
)
def test_closed_standard_files_are_the_null_device(
    tmp_path: Path, redirections: str, null: list[int]
) -> None:
    """A command does its work as it would with open ones, and no connection gets their numbers."""
    found = tmp_path / "found"
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" "$2" {redirections}', sys.executable, PROGRAM, str(found)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0  # noqa: S603
    code, *names = found.read_text().split()
    assert code == "0"
    assert [number for number, name in enumerate(names) if name == "/dev/null"] == null
