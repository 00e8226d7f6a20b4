"""The programs that the scenarios run: one for each client, with the same commands on stdin.

A program starts as `PROGRAM --target HOST:PORT [--ca FILE] [--cert FILE --key FILE] [--authority NAME]
[--window N] [--keepalive SECONDS]`. conformance/README.md describes its commands and what it writes.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Program(NamedTuple):
    """The command of a program, and a file that exists once it is built, relative to the repository."""

    command: Sequence[str]
    built: str


PROGRAMS: Mapping[str, Program] = {
    "python": Program((sys.executable, "-m", "conformance.python_program"), "conformance/python_program.py"),
    "go": Program(("build/conformance/go",), "build/conformance/go"),
    "java": Program(("clients/java/conformance.sh",), "clients/java/target/classpath.txt"),
    "typescript": Program(
        ("node", "clients/typescript/build/conformance/main.js"),
        "clients/typescript/build/conformance/main.js",
    ),
}


def command(client: str) -> Sequence[str]:
    """Return the command of a client's program, to be run in the repository's folder.

    The variable CONFORMANCE_GO, for example, replaces that of Go.
    """
    chosen = _chosen(client)
    return shlex.split(chosen) if chosen else PROGRAMS[client].command


def absent(client: str) -> str:
    """Return why a client's program cannot be run, or an empty string."""
    first, built = command(client)[0], PROGRAMS[client].built
    if not _chosen(client) and not (ROOT / built).exists():
        return f"{built} is not there: `make clients` builds it"
    return "" if "/" in first or shutil.which(first) else f"{first} is not on this machine"


def _chosen(client: str) -> str:
    return os.environ.get(f"CONFORMANCE_{client.upper()}", "")
