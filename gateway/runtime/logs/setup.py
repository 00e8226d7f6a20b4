"""Sends every log line of the process, and all uncaught exceptions, through one handler."""

import asyncio
import atexit
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

from gateway.runtime.logs.core_lines import Capture, capture
from gateway.runtime.logs.log_format import OURS, formatter, places
from gateway.runtime.logs.repeats import LOOP, RepeatFilter
from gateway.runtime.logs.writer import LineWriter, QueueHandler, unblock, writing_to

LogFormat = Literal["auto", "json", "text"]
LAST_LINES_S = 1.0
"""Seconds that an ending process waits for its last lines to be written, at most."""
STDERR = 2

log = logging.getLogger(__name__)


class _State:
    """The handler and filter of this process, once logging is configured."""

    writer: LineWriter | None = None
    core: Capture | None = None
    repeats: RepeatFilter | None = None


def configure(level: str, log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Log the gateway's own lines from `level` on, and libraries' lines from warnings on.

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
    set_level(level)
    logging.captureWarnings(capture=True)


def set_level(level: str) -> None:
    """Log the gateway's own lines from another level on."""
    for name in OURS:
        logging.getLogger(name).setLevel(level)


def capture_core() -> None:
    """Log what libraries in C write to stderr, such as gRPC's core. To be called once, after `configure`."""
    if _State.writer is not None and _State.core is None:
        _State.core = capture(STDERR)
        _State.core.take_over_stderr()
        _State.writer.redirect(writing_to(_State.core.former))
        atexit.register(end_of_core)  # before `flush`, which was registered earlier


def end_of_core(timeout_s: float = LAST_LINES_S) -> None:
    """Log the last lines of libraries in C, for so many seconds at most; no further ones are logged."""
    if _State.core is not None:
        _State.core.end(timeout_s)
        _State.core = None


def name_campaigns(names: Callable[[str], str]) -> None:
    """Add the name of a campaign to each line about one, until the log is configured again.

    `names` returns the name of a campaign by its id, empty if it is not known.
    """

    def with_name(record: logging.LogRecord) -> bool:
        campaign_id = record.__dict__.get("campaign")
        name = names(campaign_id) if isinstance(campaign_id, str) else ""
        if name:
            record.__dict__["campaign_name"] = name
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(with_name)


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
    """Log an exception that an event loop found unhandled, without its text."""
    loop.set_exception_handler(_unhandled)


def watch_process() -> None:
    """Log exceptions that end the process or a thread, or are raised in a finalizer, without their text.

    Python would print them on stderr, with their text, and the thread could block there.
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
    logging.getLogger(LOOP).error("an exception in the event loop was not handled", extra=extra)


def _log_uncaught(where: str, kind: type[BaseException] | None, trace: TracebackType | None) -> None:
    name = "nothing" if kind is None else kind.__name__
    log.critical("an exception in %s was not caught", where, extra={"error": name, "at": places(trace)})
