"""How lines of the log look, and that libraries put nothing into them."""

import asyncio
import io
import json
import logging
from typing import Any

import pytest

from gateway.runtime import logs

SECRET = "+491511234567"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def raised(error: Exception) -> Exception:
    """Return an exception that has been raised, so that it has a place."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_line_is_one_json_object() -> None:
    """A line contains time, level, message and logger, and each value under its own name."""
    stream = io.StringIO()
    logs.configure("INFO", "auto", stream)
    about = {"campaign": "c\n1", "trace_id": "ab" * 16}
    logging.getLogger("gateway.dispatch").info("a campaign is %s", "parked", extra=about)
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "message": "a campaign is parked",
        "logger": "gateway.dispatch",
        **about,
    }
    assert stream.getvalue().startswith('{"time": ')


@pytest.mark.parametrize(
    ("stream", "log_format", "is_json", "coloured"),
    [
        (io.StringIO(), "auto", True, False),
        (Terminal(), "auto", False, True),
        (io.StringIO(), "text", False, False),
        (Terminal(), "json", True, False),
    ],
)
def test_the_format(stream: io.StringIO, log_format: logs.LogFormat, is_json: bool, coloured: bool) -> None:
    """JSON unless it is a terminal, colours only on one; the setting decides otherwise."""
    logs.configure("INFO", log_format, stream)
    logging.getLogger("gateway").info("hello")
    text = stream.getvalue()
    assert text.startswith("{") == is_json
    assert ("\x1b[" in text) == coloured
    assert text.count("\n") == 1


def test_a_value_cannot_steer_a_terminal() -> None:
    """Control characters in a value chosen by a caller are escaped."""
    stream = Terminal()
    logs.configure("INFO", "text", stream)
    logging.getLogger("gateway").info("x", extra={"campaign": "\x1b[31m", "state": "\x1b]0;owned\x07\r\n"})
    assert "\x1b]0;owned" not in stream.getvalue()
    assert "'\\x1b[31m'" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(("level", "said"), [("DEBUG", ["d", "i", "w"]), ("INFO", ["i", "w"]), ("ERROR", [])])
def test_the_level_is_that_of_our_own_lines(level: str, said: list[str]) -> None:
    """The setting says how much of ours is logged; of libraries it is warnings and above, always."""
    stream = io.StringIO()
    logs.configure(level, "json", stream)
    ours, theirs = logging.getLogger("gateway.x"), logging.getLogger("botocore.x")
    for log in (theirs, ours):
        log.debug("d")
        log.info("i")
    ours.warning("w")
    theirs.warning("theirs")
    assert [line["message"] for line in lines(stream)] == [*said, "theirs"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_libraries_put_nothing_into_a_line(log_format: logs.LogFormat) -> None:
    """Of a library's line its first words stay, without values, numbers, fields and the exception's text."""
    stream = io.StringIO()
    logs.configure("DEBUG", log_format, stream)
    log = logging.getLogger("urllib3.connectionpool")
    log.warning("sent %s to %s", SECRET, "Kobaltgruen")
    log.warning(f"sent {SECRET}\nKobaltgruen")
    log.warning("sent", extra={"body": "Kobaltgruen"})
    log.warning({"number": SECRET})
    log.error("sending failed", exc_info=raised(KeyError(f"{SECRET} Kobaltgruen")))
    said = stream.getvalue()
    assert "KeyError" in said
    assert "test_log_format.py" in said
    assert said.count("\n") == 5
    assert "Kobaltgruen" not in said
    assert "1511234567" not in said


@pytest.mark.parametrize(
    ("template", "arguments", "shown"),
    [
        ("Error handling request from %s", ("x",), "Error handling request from …"),
        ("took %.2f s in %5d of %r", (0.5, 1, "x"), "took … s in … of …"),
        ("%(number)s in %(where)s", ({"number": "1", "where": "x"},), "… in …"),
        ("100% of %s", (), "100% of %s"),
    ],
)
def test_a_template_of_a_library_is_shown_without_its_marks(
    template: str, arguments: tuple[object, ...], shown: str
) -> None:
    """Each place of a value shows a mark that reads as omitted."""
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    logging.getLogger("aiohttp.server").error(template, *arguments)
    assert [line["message"] for line in lines(stream)] == [shown]


def test_an_exception_of_ours_is_shown_by_type_and_place() -> None:
    """Not even our own lines show what an exception says: it may quote what a library was given."""
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    logging.getLogger("gateway").critical("it failed", exc_info=raised(ValueError(SECRET)))
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert "test_log_format.py" in line["at"][0]
    assert SECRET not in stream.getvalue()


async def test_what_nobody_waits_for_is_logged_without_its_text() -> None:
    """A task that fails unseen is named by the type and place of its exception."""
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    loop = asyncio.get_running_loop()
    logs.watch_loop(loop)
    try:
        loop.call_exception_handler({"message": SECRET, "exception": ValueError(SECRET)})
    finally:
        loop.set_exception_handler(None)
    (line,) = lines(stream)
    assert (line["message"], line["error"]) == (
        "an exception in the event loop was not handled",
        "ValueError",
    )
    assert SECRET not in stream.getvalue()
