"""A program that describes its own start: `python -m tests.unit.reported_start CODE`.

It writes a JSON object to standard error, copies standard input to standard output, and exits with CODE. If
CODE is `wait`, it waits for a signal instead. With a word of `LATE`, something happens after its last line.
"""

import atexit
import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

LATE = ("text", "thread", "handler", "error", "unread")


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


def write_last() -> None:
    threading.main_thread().join()
    sys.stdout.write("from the thread")


def end_late(word: str) -> None:
    """End with a text, a thread that goes on, a handler of atexit, an error, or output that nobody reads."""
    write = sys.stdout.write
    if word == "thread":
        threading.Thread(target=write_last).start()
    elif word == "handler":
        atexit.register(write, "from the handler")
    elif word == "unread":
        unread, pipe = os.pipe()
        os.dup2(pipe, sys.stdout.fileno())
        for file in (unread, pipe):
            os.close(file)
        write("lost")
    elif word == "error":
        raise LookupError(word)
    sys.exit("the text" if word == "text" else None)


if __name__ == "__main__":
    sys.stderr.write(json.dumps(described()) + "\n")
    while sys.argv[1] == "wait":
        time.sleep(0.05)  # `signal.pause` would miss a signal that comes just before it
    sys.stdout.write(sys.stdin.read())
    if sys.argv[1] in LATE:
        end_late(sys.argv[1])
    sys.exit(int(sys.argv[1]))
