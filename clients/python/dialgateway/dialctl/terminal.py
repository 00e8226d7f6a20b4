"""Write text to standard output and standard error: escaping, broken pipes, and Rich's console."""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def printable(line: str) -> str:
    """Return a line in which every character that is not printable is written as an escape.

    Names of columns, ids of campaigns and messages of a gateway are untrusted. Control characters in them
    would change the state of the terminal.
    """
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def unambiguous(text: str) -> str:
    """Return an id or a reason in which every character that could mislead a reader is written as an escape.

    In addition to what `printable` escapes, these are combining characters and the backslash. So no two ids
    look the same.
    """
    return "".join(one if _is_plain(one) else one.encode("unicode_escape").decode() for one in text)


def write_lines(stream: TextIO, *lines: str) -> None:
    """Write lines to standard output or standard error.

    A closed pipe or a full disk does not end a run, since the results file has the answers. Later writes to
    the same stream are discarded.
    """
    try:
        stream.write("".join(f"{printable(line)}\n" for line in lines))
        stream.flush()
    except OSError:
        _discard_output(stream)


def open_standard_files() -> None:
    """Open the null device as each standard file that is closed, as cron jobs with `2>&-` have it.

    Otherwise a connection would get its number, and what libraries in C write to stderr.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stdout is None:
        sys.stdout = _null_device()
    if sys.stderr is None:
        sys.stderr = _null_device()


def _null_device() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def accept_all_characters() -> None:
    """Write characters that the terminal's encoding does not have as escapes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # tests replace these streams
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def rich_console(stream: TextIO) -> Console | None:
    """Return Rich's console for a terminal that can be redrawn in place.

    None for a pipe, a file or a terminal without cursor movement (TERM=dumb), and where Rich is not
    installed: it comes with the extra `cli`. The import takes about 0.1 s, so it is made here, only for a
    terminal.
    """
    if not stream.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    return console if console.is_terminal and not console.is_dumb_terminal else None


def _is_plain(character: str) -> bool:
    if character == " ":
        return True
    return unicodedata.category(character)[0] not in {"C", "Z", "M"} and character != "\\"


def _discard_output(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that the interpreter's flush at its exit succeeds."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
