"""Lines that libraries in C write to a descriptor become lines of the log."""

import logging
import os
from collections.abc import Iterator

import pytest

from gateway.runtime.logs import core_lines

HANDSHAKE = (
    "I1128 23:34:48.301232    3515 ssl_transport_security.cc:2563] Handshake failed with error SSL_ERROR_SSL:"
    " error:100000f7:SSL routines:OPENSSL_internal:{}: Invalid certificate verification context"
)
PATIENCE_S = 10.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe, in place of stderr and its reader."""
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("E1128 01:02:03.4 12 server.cc:5] no", core_lines.CoreLine(logging.ERROR, "no", "server.cc:5")),
        ("W1128 01:02:03.4 12 a/b.cc:5] x", core_lines.CoreLine(logging.WARNING, "x", "a/b.cc:5")),
        ("F1128 01:02:03.4 12 a.cc:5] x", core_lines.CoreLine(logging.CRITICAL, "x", "a.cc:5")),
        ("free(): invalid pointer", core_lines.CoreLine(logging.WARNING, "free(): invalid pointer", "")),
    ],
)
def test_a_line_is_read_with_its_level_and_place(line: str, expected: core_lines.CoreLine) -> None:
    """Severity and place come from the core's own format; other text is a warning."""
    assert core_lines.parsed(line) == expected


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("WRONG_VERSION_NUMBER", "a client without TLS has connected to the gRPC port"),
        ("HTTP_REQUEST", "a client without TLS has connected to the gRPC port"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "has shown no certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not trust the certificate"),
    ],
)
def test_a_failed_handshake_is_explained(error: str, words: str) -> None:
    """What is known to an operator by another name is said in these words."""
    assert words in str(core_lines.hint(HANDSHAKE.format(error)))
    assert core_lines.hint("Connection reset by peer") is None


def test_lines_of_a_descriptor_are_logged_and_the_log_keeps_the_real_one(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Lines may arrive in parts and without an end; `kept` still leads to the pipe's reader."""
    read, write = pipe
    taken = core_lines.capture(write)
    os.write(write, b"E1128 01:02:03.4 12 server.cc:5] first\nE1128 01:02:03.4 12 ser")
    os.write(write, b"ver.cc:6] second\n\nno end")
    os.write(taken.former, b"our own line\n")
    taken.end(PATIENCE_S)

    assert messages(caplog) == [
        (logging.ERROR, "server.cc:5: first"),
        (logging.ERROR, "server.cc:6: second"),
        (logging.WARNING, "no end"),
    ]
    assert os.read(read, 100) == b"our own line\n"
    os.write(write, b"after the end")
    assert os.read(read, 100) == b"after the end"
    os.close(taken.former)


def test_a_library_that_writes_too_much_is_not_blocked(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """A write never waits for the log, and a line without an end takes no more memory than others."""
    _, write = pipe
    taken = core_lines.capture(write)
    assert not os.get_blocking(write)
    sent = 0
    while sent < 1 << 20:
        try:
            sent += os.write(write, bytes([65]) * 65_536)
        except BlockingIOError:
            continue
    taken.end(PATIENCE_S)

    assert {len(text) <= core_lines.LONGEST for _, text in messages(caplog)} == {True}
    os.close(taken.former)
