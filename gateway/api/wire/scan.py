"""Finds the dial requests in the bytes of a message, a few at a time, without parsing them.

Only the top level is read: the messages of both calls have the dial requests in field 2, each after its
length. See https://protobuf.dev/programming-guides/encoding/. This module is pure and makes no message
objects.
"""

from typing import NamedTuple

DIAL_REQUESTS = 2
"""The number of the field `dial_requests`, in the messages of both calls."""
FIELDS_AT_ONCE = 2000
"""Fields that one cut reads, at most. A valid message has only a few fields of other numbers."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_ITEM = DIAL_REQUESTS << 3 | _LENGTH


class MalformedError(ValueError):
    """The bytes are not a valid message: broken, with a group, or with very many unknown fields."""


class RequestRange(NamedTuple):
    """Consecutive dial requests: their count, first and last byte, and where to continue."""

    found: int
    first: int
    last: int
    end: int


def find_requests(raw: bytes, at: int, limit: int, max_bytes: int) -> RequestRange:
    """Find up to `limit` dial requests from position `at`, which must be the start of a field.

    Together they have at most `max_bytes`. A longer request is returned alone. Other fields are skipped.
    Raises `MalformedError`, also if there are more other fields than any version of the contract has.
    """
    count, first, last, stop, end = 0, at, at, at + max_bytes, len(raw)
    try:
        for _ in range(FIELDS_AT_ONCE):
            if at >= end or count == limit:
                break
            tag, begin = raw[at], at + 1
            if tag != _ITEM:
                tag, begin = _varint(raw, at)
                if tag != _ITEM:
                    at = _after(raw, tag, begin)
                    continue
            size = raw[begin]
            if size < 128:
                begin += 1
            elif raw[begin + 1] < 128:
                size += (raw[begin + 1] - 1) << 7
                begin += 2
            else:
                size, begin = _varint(raw, begin)
            if begin + size > stop and count:
                break
            first = first if count else begin
            at = last = begin + size
            count += 1
        else:
            raise MalformedError(f"more than {FIELDS_AT_ONCE - limit} fields that the contract does not have")
    except IndexError:
        at = end + 1
    if at > end:
        raise MalformedError("a field is longer than its message")
    return RequestRange(count, first, last, at)


def _after(raw: bytes, tag: int, begin: int) -> int:
    """Return the end of a field whose value starts at `begin`."""
    kind = tag & 7
    if kind == _VARINT:
        return _varint(raw, begin)[1]
    if kind == _LENGTH:
        size, begin = _varint(raw, begin)
        return begin + size
    if kind in {_FIXED64, _FIXED32}:
        return begin + (8 if kind == _FIXED64 else 4)
    raise MalformedError("a group, or a field of an unknown kind")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a varint and its end."""
    number = 0
    for shift in range(0, 70, 7):
        byte = raw[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise MalformedError("a number of more than ten bytes")
