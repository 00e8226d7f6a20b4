"""Writes lines to the terminal, whatever is in them and whatever becomes of it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def shown(line: str) -> str:
    """Return a line in which every character that is not simply shown stands as an escape.

    Names of columns, ids of campaigns and the words of a gateway are texts of others. A terminal would
    follow the control characters in them.
    """
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def tell(stream: TextIO, *lines: str) -> None:
    """Write lines to standard output or standard error.

    A reader that is gone, or a full disk behind it, does not end a run: what counts is in the results file.
    """
    try:
        stream.write("".join(f"{shown(line)}\n" for line in lines))
        stream.flush()
    except OSError:
        _write_to_nobody(stream)


def accept_all_characters() -> None:
    """Have characters that the terminal's encoding does not know written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not a stream of the system, as in tests
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _write_to_nobody(stream: TextIO) -> None:
    """Let further writes, and the flush at the interpreter's end, succeed."""
    with contextlib.suppress(OSError, ValueError):
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, stream.fileno())
        os.close(nobody)
