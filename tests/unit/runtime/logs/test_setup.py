"""Uncaught exceptions, which Python would print, become log lines without their text."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.runtime import logs

SECRET = "+491511234567"


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is logged; all hooks are put back afterwards."""
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    logs.watch_process()
    yield stream
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def raised() -> ValueError:
    try:
        int(SECRET + "x")
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("where", ["the process", "a thread", "a finalizer"])
def test_an_uncaught_exception_is_logged_by_type_and_place(where: str, said: io.StringIO) -> None:
    """This holds in the main thread, in another, and where Python can only print the exception."""
    error = raised()
    about: Any = SimpleNamespace(exc_type=ValueError, exc_value=error, exc_traceback=error.__traceback__)
    if where == "the process":
        sys.excepthook(ValueError, error, error.__traceback__)
    elif where == "a thread":
        threading.excepthook(about)
    else:
        cast("Any", sys.unraisablehook)(about)
    line = json.loads(said.getvalue())
    assert line["message"] == f"an exception in {where} was not caught"
    assert line["error"] == "ValueError"
    assert "test_setup.py" in line["at"][0]
    assert SECRET not in said.getvalue()


def test_lines_about_a_campaign_have_its_name(said: io.StringIO) -> None:
    """The name stands beside the id. Markup in it is text; a campaign without a name has none."""
    names = {"id-1": "<b>debt</b>"}
    logs.name_campaigns(lambda campaign_id: names.get(campaign_id, ""))
    log = logging.getLogger("gateway.test")
    for campaign in ("id-1", "id-2"):
        log.info("a campaign is held", extra={"campaign": campaign})
    log.info("started")
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(line.get("campaign"), line.get("campaign_name")) for line in lines] == [
        ("id-1", "<b>debt</b>"),
        ("id-2", None),
        (None, None),
    ]


def test_a_log_that_was_never_configured_has_nothing_to_wait_for() -> None:
    """`flush` works without a configured log."""
    assert logs.flush(0.0)
    assert set(logs.lines_dropped()) == {"slow", "repeated"}
