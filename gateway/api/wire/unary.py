"""The types of the messages of calls with one request and one response."""

from typing import TypeVar

from google.protobuf.message import Message

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


def serialized(message: Message) -> bytes:
    """Return a response as gRPC sends it."""
    return message.SerializeToString()
