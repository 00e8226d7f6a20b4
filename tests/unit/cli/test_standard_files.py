"""A command that begins with closed standard files."""

import json
import subprocess
import sys
from pathlib import Path

CLOSED = 'exec "$0" -c "$1" "$2" <&- >&- 2>&-'
PROGRAM = """
import json, os, sys
from gateway.cli.entry import open_standard_files

open_standard_files()
print("lost")
sys.stderr.write("lost")
names = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
with open(sys.argv[1], "w") as file:
    json.dump([*names, file.fileno()], file)
"""


def test_closed_standard_files_are_the_null_device(tmp_path: Path) -> None:
    """What is opened later gets another number, so no line of the log ends up in a connection."""
    found = tmp_path / "found"
    command = ["/bin/sh", "-c", CLOSED, sys.executable, PROGRAM, str(found)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0  # noqa: S603
    *names, number = json.loads(found.read_text())
    assert names == ["/dev/null"] * 3
    assert number > 2
