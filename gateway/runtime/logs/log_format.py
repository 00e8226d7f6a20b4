"""The content of a log line: one JSON object in production, readable colours on a terminal.

Lines of libraries are written without their values, which may contain data of dial requests. An exception is
written as its type and place, without its text.
"""

import logging
import re
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

OURS = ("gateway",)
"""Loggers of our own: all others are libraries'."""
_MASK = "…"
_number = re.compile(r"\+?\d[\d\-]{6,}")
_placeholder = re.compile(r"%(?:\(\w+\))?[#0\- +]*\d*(?:\.\d+)?[a-zA-Z]|\{[\w.!:\[\]]*\}")
MORE = "more_before"
"""The field of a line that says how many of its kind were left out since the last one."""
_LONGEST_FOREIGN = 200
_FRAMES = 6

_Event = MutableMapping[str, Any]


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


def _console(colours: bool) -> structlog.dev.ConsoleRenderer:
    # Values are written as Python literals, so that a value chosen by a caller cannot control the terminal.
    return structlog.dev.ConsoleRenderer(
        colors=colours, timestamp_key="time", pad_event_to=0, repr_native_str=True
    )


def _ordered(_: Any, __: str, event: _Event) -> _Event:
    first = {"time": event.pop("time"), "level": event.pop("level"), "message": event.pop("event")}
    return {**first, **event}


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
    if event["event"] != template:  # the message has values in it
        first = _placeholder.sub(_MASK, first)
    names = ("level", "logger", "time", "_record", "_from_structlog", MORE)
    known = {name: event[name] for name in names if name in event}
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
