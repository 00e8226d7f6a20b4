"""Sends every line of the process through one handler, and what would go past the log into it."""

import asyncio
import atexit
import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

from gateway.logs.lines import OURS, formatter, places
from gateway.logs.repeats import LOOP, RepeatFilter
from gateway.logs.writer import LineWriter, QueueHandler, unblock, writing_to

LogFormat = Literal["auto", "json", "text"]
LAST_LINES_S = 1.0
"""Seconds that an ending process waits for its last lines to be written, at most."""
STDERR = 2

log = logging.getLogger(__name__)


class _State:
    """What this process logs with, once it is configured to."""

    writer: LineWriter | None = None
    repeats: RepeatFilter | None = None


def configure(level: str, log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Log what is ours at `level`, and warnings of libraries.

    Lines go to stderr, by a queue and a thread; to `stream`, if one is given, at once.
    """
    shown = stream or sys.stderr
    text = log_format == "text" or (log_format == "auto" and shown.isatty())
    lines = formatter(text=text, colours=text and shown.isatty())
    handler = logging.StreamHandler(stream) if stream is not None else _queued(lines)
    handler.setFormatter(lines)
    _State.repeats = RepeatFilter()
    handler.addFilter(_State.repeats)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)


def flush(timeout_s: float = LAST_LINES_S) -> bool:
    """Wait until the lines so far are written, for so many seconds at most; return whether they are."""
    return _State.writer is None or _State.writer.flush(timeout_s)


def lines_dropped() -> dict[str, int]:
    """Return how many lines were not written: the reader was too `slow`, or they were `repeated`."""
    writer, repeats = _State.writer, _State.repeats
    return {
        "slow": 0 if writer is None else writer.dropped,
        "repeated": 0 if repeats is None else repeats.left_out,
    }


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what a loop finds that nobody handled, without what it says."""
    loop.set_exception_handler(_unhandled)


def watch_process() -> None:
    """Log what ends the process or a thread, or is raised where nothing can catch it, without what it says.

    Python would print it on stderr, with its text: the thread that it happens in could wait for a reader.
    """
    sys.excepthook = lambda kind, _, trace: _log_uncaught("the process", kind, trace)
    threading.excepthook = lambda about: _log_uncaught("a thread", about.exc_type, about.exc_traceback)
    sys.unraisablehook = lambda about: _log_uncaught("a finalizer", about.exc_type, about.exc_traceback)


def _queued(lines: logging.Formatter) -> logging.Handler:
    if _State.writer is None:
        unblock(STDERR)
        _State.writer = LineWriter(writing_to(STDERR), lambda dropped: _notice(lines, dropped))
        atexit.register(flush)
    return QueueHandler(_State.writer)


def _notice(lines: logging.Formatter, dropped: int) -> bytes:
    words = "%d lines of the log were dropped: they came faster than they were read"
    record = log.makeRecord(log.name, logging.WARNING, __file__, 0, words, (dropped,), None)
    return lines.format(record).encode(errors="backslashreplace") + b"\n"


def _unhandled(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    error = context.get("exception")
    extra = {} if error is None else {"error": type(error).__name__, "at": places(error.__traceback__)}
    logging.getLogger(LOOP).error("something failed that nobody waits for", extra=extra)


def _log_uncaught(where: str, kind: type[BaseException] | None, trace: TracebackType | None) -> None:
    name = "nothing" if kind is None else kind.__name__
    log.critical("an exception in %s was caught by nobody", where, extra={"error": name, "at": places(trace)})
