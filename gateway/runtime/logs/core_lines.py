"""Takes the lines that libraries in C write to stderr, such as those of gRPC's core, into the log.

Such a library writes to file descriptor 2 itself, past Python's logging. That descriptor becomes a pipe, and
a thread logs each line that arrives there. Writes to the pipe never block: a line that finds it full is lost.
The log itself and `sys.stderr` keep the real stderr, so the gateway's own lines depend neither on the pipe
nor on the thread. If C code ends the process, its last line may still be in the pipe; Python then writes the
stacks of all threads to the real stderr.
"""

import faulthandler
import io
import logging
import os
import re
import sys
import threading
from typing import NamedTuple

NAME = "grpc.core"
"""The logger of these lines. It is a library's, so the log masks numbers and limits repeated lines."""
LONGEST = 4096
"""Bytes of a line without an end that are kept."""
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}
_line = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ([\w./-]+:\d+)\] (.*)")

HINTS = (
    (
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"),
        "a client without TLS has connected to the gRPC port, which expects TLS (or an exporter uses TLS"
        " towards a collector without it)",
    ),
    (
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE",),
        "a client has shown no certificate to the gRPC port, which requires one of the authority in"
        " DIAL_GATEWAY_TLS_CLIENT_CA_FILE",
    ),
    (
        ("TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
        "a client does not trust the certificate of the gRPC port: give it the authority of that certificate",
    ),
)
"""What errors of TLS mean to an operator: parts of a line of gRPC's core, and the words for them."""

log = logging.getLogger(NAME)


class CoreLine(NamedTuple):
    """A line of a library: its level, its text, and the place in the library's code, empty if unknown."""

    level: int
    text: str
    place: str


def parsed(line: str) -> CoreLine:
    """Return what a line of a library says; other text on stderr is a warning."""
    found = _line.fullmatch(line)
    if found is None:
        return CoreLine(logging.WARNING, line, "")
    return CoreLine(_LEVELS[found[1]], found[3], found[2])


def hint(text: str) -> str | None:
    """Return what a line means to an operator, None if that is not known."""
    for parts, words in HINTS:
        if any(part in text for part in parts):
            return words
    return None


def capture(descriptor: int) -> "Capture":
    """Begin to log what is written to a descriptor. `end` of the result restores the descriptor."""
    former = os.dup(descriptor)
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.dup2(write, descriptor)
    os.close(write)
    return Capture(descriptor, former, read)


class Capture:
    """A descriptor whose lines are logged by a thread. `former` is a duplicate of it as it was before."""

    def __init__(self, descriptor: int, former: int, read: int) -> None:
        self.former = former
        self._descriptor = descriptor
        self._read = read
        log.setLevel(logging.INFO)  # what the core says without being asked is worth a line
        self._thread = threading.Thread(target=self._run, name="core-lines", daemon=True)
        self._thread.start()

    def take_over_stderr(self) -> None:
        """Let Python's own stderr, and its report of a crash, use the former descriptor."""
        raw = os.fdopen(self.former, "wb", buffering=0, closefd=False)
        sys.stderr = io.TextIOWrapper(raw, errors="backslashreplace", line_buffering=True, write_through=True)
        faulthandler.enable(file=self.former)

    def end(self, timeout_s: float) -> None:
        """Log what was written so far, for so many seconds at most. Further lines are not logged."""
        os.dup2(self.former, self._descriptor)  # closes the pipe's last end for writing
        self._thread.join(timeout_s)

    def _run(self) -> None:
        rest = b""
        while part := os.read(self._read, 65_536):
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > LONGEST:
                lines, rest = [*lines, rest[:LONGEST]], b""
            for line in lines:
                _log(line)
        _log(rest)
        os.close(self._read)


def _log(raw: bytes) -> None:
    line = raw[:LONGEST].decode(errors="replace").strip()
    if line:
        level, text, place = parsed(line)
        meaning = hint(text)
        if meaning is not None:
            log.warning(meaning)
        else:
            log.log(level, f"{place}: {text}" if place else text)
