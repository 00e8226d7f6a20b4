"""Decode a CSV file to lines of text. The encoding is detected, or given by the user.

A regular file is read completely to detect it: UTF-8 and UTF-16 by their byte order mark, UTF-16 without one
by its zero bytes, UTF-8 if all bytes are valid, and Windows-1252 if some are not and there is no UTF-8
character outside ASCII. Of a pipe only the first bytes are used, because its leads are sent as they come.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import BinaryIO, TextIO, cast

from dialgateway.dialctl.errors import UnusableFile

UTF_8, WINDOWS_1252 = "utf-8-sig", "cp1252"
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 4096
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Decoded:
    """Lines of text, and the encoding to show to the user; empty for UTF-8."""

    lines: TextIO
    encoding_shown: str = ""


def open_lines(raw: BinaryIO, encoding: str | None = None, *, is_regular: bool) -> Decoded:
    """Decode a CSV file from its beginning. If it `is_regular`, it can be read twice.

    Invalid bytes become surrogates, so that only their row is refused. Raises UnusableFile for an encoding
    that Python does not know.
    """
    if encoding is not None:
        _check_known(encoding)
    detected = encoding or _by_first_bytes(raw) or (_by_all_bytes(raw) if is_regular else UTF_8)
    shown = "" if encoding or detected == UTF_8 else {"cp1252": "Windows-1252"}.get(detected, "UTF-16")
    errors = "surrogateescape" if not detected.startswith("utf-16") else "replace"
    lines = io.TextIOWrapper(cast("io.BufferedReader", raw), encoding=detected, errors=errors, newline="")
    return Decoded(lines, shown)


def _check_known(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UnusableFile(
            f"--encoding: {encoding!r} is not an encoding; try utf-8 or windows-1252"
        ) from None


def _by_first_bytes(raw: BinaryIO) -> str | None:
    """Return the encoding according to a byte order mark or the zero bytes of UTF-16; None for neither."""
    sample = cast("io.BufferedReader", raw).peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES]
    for mark, encoding in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    # Zero bytes in both places are not UTF-16: a failed disk leaves them after the text of a file.
    if odd * 4 > len(sample) > 3 and even * 8 < odd:
        return "utf-16-le"
    if even * 4 > len(sample) > 3 and odd * 8 < even:
        return "utf-16-be"
    return None


def _by_all_bytes(raw: BinaryIO) -> str:
    """Return Windows-1252 if there are invalid and no valid UTF-8 characters outside ASCII, else UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    invalid = utf_8 = False
    while not utf_8 and (block := raw.read(_BLOCK_BYTES)):
        if block.isascii():
            continue
        others = [character for character in decoder.decode(block) if character > "\x7f"]
        invalid |= any("\udc80" <= character <= "\udcff" for character in others)
        # With some valid characters, the invalid bytes make only their rows unusable.
        utf_8 = any("\x80" <= character < "\ud800" for character in others)
    raw.seek(0)
    return WINDOWS_1252 if invalid and not utf_8 else UTF_8
