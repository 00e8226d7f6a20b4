"""How log lines look: one JSON object each in production, readable colours on a terminal.

The code speaks to the standard `logging`, with what a line is about in `extra`; structlog renders.
Lines of libraries go the same way, as warnings and above, and without anything that they put into
them: they may hold what was sent. Of an exception its type and place are shown, never its text.
"""

import asyncio
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

LogFormat = Literal["auto", "json", "text"]
OURS = ("gateway",)
"""Loggers of our own: all others are libraries'."""
_MASK = "…"
_number = re.compile(r"\+?\d[\d\-]{6,}")
_LONGEST_FOREIGN = 200
_FRAMES = 6

_Event = MutableMapping[str, Any]


def configure(level: str, log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Log to `stream`, stderr if none is given: what is ours at `level`, of the libraries warnings."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    text = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler.setFormatter(formatter(text=text, colours=text and stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)


def formatter(*, text: bool, colours: bool = False) -> logging.Formatter:
    """Return what makes a line of a record."""
    last: list[Any] = [_console(colours)] if text else [_ordered, structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _without_what_libraries_say,
            _exception_by_type_and_place,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        keep_exc_info=False,
    )


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what a loop finds that nobody handled, without what it says."""
    loop.set_exception_handler(_unhandled)


def _console(colours: bool) -> structlog.dev.ConsoleRenderer:
    # Values are shown as Python writes them: what a caller chose cannot steer the terminal.
    return structlog.dev.ConsoleRenderer(
        colors=colours, timestamp_key="time", pad_event_to=0, repr_native_str=True
    )


def _ordered(_: Any, __: str, event: _Event) -> _Event:
    first = {"time": event.pop("time"), "level": event.pop("level"), "message": event.pop("event")}
    return {**first, **event}


def _unhandled(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    error = context.get("exception")
    extra = {} if error is None else {"error": type(error).__name__, "at": places(error.__traceback__)}
    logging.getLogger("gateway.loop").error("something failed that nobody waits for", extra=extra)


def places(trace: TracebackType | None) -> list[str]:
    """Return the innermost places of a traceback, the last one first."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)]


def _without_what_libraries_say(_: Any, __: str, event: _Event) -> _Event:
    record: logging.LogRecord = event["_record"]
    if record.name.partition(".")[0] in OURS:
        return event
    # The template without its values, its first line only: values may hold what was sent.
    template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    first = template.partition("\n")[0][:_LONGEST_FOREIGN]
    known = {name: event[name] for name in ("level", "logger", "time", "_record", "_from_structlog")}
    exc_info = {"exc_info": event["exc_info"]} if event.get("exc_info") else {}
    return {**known, **exc_info, "event": _number.sub(_MASK, first)}


def _exception_by_type_and_place(_: Any, __: str, event: _Event) -> _Event:
    found = event.pop("exc_info", None) or event["_record"].exc_info
    event["_record"].exc_info = event["_record"].exc_text = None
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if found and found[0] is not None:
        event["error"], event["at"] = found[0].__name__, places(found[2])
    return event
