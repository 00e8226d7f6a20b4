"""A program that describes its own start: `python -m tests.unit.reported_start CODE`.

It writes a JSON object to standard error, copies standard input to standard output, and exits with CODE. If
CODE is `wait`, it waits for a signal instead.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TextIO


def described() -> dict[str, object]:
    """Return what a process inherits, and what Python sets up at its start."""
    umask = os.umask(0)
    os.umask(umask)
    return {
        "name": __name__,
        "arguments": sys.argv,
        "path": sys.path,
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "environment of C": {name: _of_c(name) for name in sorted(os.environ)},
        "files": sorted(path.name for path in Path("/proc/self/fd").iterdir()),
        "handlers": {number: str(signal.getsignal(number)) for number in sorted(signal.valid_signals())},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "streams": [_stream(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "originals": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
        "threads": [thread.name for thread in threading.enumerate()],
        "umask": umask,
    }


def _of_c(name: str) -> str:
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return os.fsdecode(getenv(os.fsencode(name)))


def _stream(stream: TextIO) -> dict[str, object]:
    names = ("name", "mode", "encoding", "errors", "line_buffering", "write_through", "closed")
    return {name: getattr(stream, name) for name in names} | {"file": stream.fileno()}


if __name__ == "__main__":
    sys.stderr.write(json.dumps(described()) + "\n")
    if sys.argv[1] == "wait":
        signal.pause()
    sys.stdout.write(sys.stdin.read())
    sys.exit(int(sys.argv[1]))
