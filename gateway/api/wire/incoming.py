"""The dial requests of one message, read a part at a time.

A message of 4 MiB can contain two million empty dial requests. Parsed at once they take 200 MB and stop the
event loop for 2.5 seconds. So a long message stays in bytes until there is room for some of its requests, and
only those are parsed. A request that is too large or cannot be parsed gets an answer of its own.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire.scan import MalformedError, RequestRange, find_requests

MESSAGE_BYTES = 4 * 1024 * 1024
"""The size limit of a message in bytes."""
SMALL_BYTES = 16 * 1024
"""A message of at most this length is parsed as a whole: 8,000 empty requests take 10 ms and 0.8 MB."""
PART, PART_BYTES = 500, 64 * 1024
"""Limits of one part, in dial requests and in bytes: some milliseconds of work."""
DIAL_REQUEST_BYTES = 256 * 1024
"""The size limit of a dial request in bytes, as protobuf encodes it."""
LONGEST_TOKEN = 200
TOO_LARGE = f"dial_requests: a request must take at most {DIAL_REQUEST_BYTES:,} bytes"
NOT_READABLE = "dial_requests: this is no DialRequest of protobuf, or a text in it is not UTF-8"


class UnreadableError(Exception):
    """The bytes are not a message of the contract."""


class TooLargeError(UnreadableError):
    """A message above the size limit."""


class Unreadable(NamedTuple):
    """A dial request that cannot be parsed or is too large: its token if readable, and the problem."""

    client_token: str
    problem: str
    in_doubt: bool = False


MessageT = TypeVar("MessageT", bound=Message)


def parsed(message: type[MessageT], raw: bytes, max_bytes: int) -> MessageT:
    """Parse a short message as a whole. Raises `UnreadableError`, also above `max_bytes`."""
    if len(raw) > max_bytes:
        raise UnreadableError
    try:
        return message.FromString(raw)
    except DecodeError as error:
        raise UnreadableError from error


class Incoming:
    """A message of either call: its campaign and priority, and its dial requests part by part.

    Raises `UnreadableError` if the bytes are not a message, or `TooLargeError` if they are too many. Its
    requests are parsed later.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) > MESSAGE_BYTES:
            raise TooLargeError
        self._raw = raw
        self._at = 0
        self._singly_until = 0
        self._whole: pb.StreamDialRequestsRequest | None = None
        try:
            if len(raw) <= SMALL_BYTES:
                self._whole = pb.StreamDialRequestsRequest.FromString(raw)
        except DecodeError:
            pass  # one request may be broken and the others valid: they are parsed one by one
        try:
            envelope = self._whole or _Envelope.FromString(raw)
        except DecodeError as error:
            raise UnreadableError from error
        self._end = len(raw) if self._whole is None else len(self._whole.dial_requests)
        self.campaign_id: str = envelope.campaign_id
        self.priority: int = envelope.priority

    @property
    def count(self) -> float:
        """The number of its dial requests; infinite if the message is long, since it is not known yet."""
        return math.inf if self._whole is None else self._end

    @property
    def ended(self) -> bool:
        """Whether all requests of the message were returned."""
        return self._at >= self._end

    def part(self, limit: int) -> Sequence[pb.DialRequest] | Unreadable:
        """Return up to `limit` of the next dial requests, or a single one that is unreadable.

        The list may be empty before the message has ended. Raises `UnreadableError`.
        """
        begin = self._at
        if self._whole is not None:
            self._at = begin + min(limit, PART)
            return self._whole.dial_requests[begin : self._at]
        found = self._next(1 if begin < self._singly_until else limit)
        try:
            return self._parsed(begin, found)
        except DecodeError:
            if found.found > 1:  # one of them is broken: parse each by itself
                self._at, self._singly_until = begin, found.end
                return ()
            return self._unreadable(found, NOT_READABLE)

    def counts(self, limit: int) -> Iterator[int]:
        """Count the dial requests, and yield the count so far after each piece of work.

        The last number is the count. Counting ends early at more than `limit`. Call this before the first
        part is returned. Raises `UnreadableError`.
        """
        if self._whole is not None:
            yield len(self._whole.dial_requests)
            return
        found = 0
        while not self.ended and found <= limit:
            found += self._next(PART).found
            yield found
        self._at = 0

    def _next(self, limit: int) -> RequestRange:
        try:
            found = find_requests(self._raw, self._at, min(limit, PART), PART_BYTES)
        except MalformedError as error:
            raise UnreadableError from error
        self._at = found.end
        return found

    def _parsed(self, begin: int, found: RequestRange) -> Sequence[pb.DialRequest] | Unreadable:
        if not found.found:
            return ()
        if found.last - found.first > max(
            PART_BYTES, DIAL_REQUEST_BYTES
        ):  # only a single request can be so long
            return self._unreadable(found, TOO_LARGE)
        # A range of complete fields is a valid message.
        return pb.StreamDialRequestsRequest.FromString(self._raw[begin : found.end]).dial_requests

    def _unreadable(self, found: RequestRange, problem: str) -> Unreadable:
        """Return an unreadable request, with an empty token if the token is unreadable too."""
        try:
            named = _Named.FromString(self._raw[found.first : found.last])
        except DecodeError:
            return Unreadable("", problem)
        return Unreadable(named.client_token[:LONGEST_TOKEN], problem, named.in_doubt)


def _part_of(message: type[Message], *names: str) -> Any:
    """Return a message class with only the named fields. Its parser skips all others."""
    file = descriptor_pb2.FileDescriptorProto(name="part.proto", syntax="proto3")
    part = file.message_type.add(name="Part")
    for name in names:
        field = message.DESCRIPTOR.fields_by_name[name]
        kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
        part.field.add(name=name, number=field.number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Part"))


_Envelope = _part_of(pb.StreamDialRequestsRequest, "campaign_id", "priority")
_Named = _part_of(pb.DialRequest, "client_token", "in_doubt")
