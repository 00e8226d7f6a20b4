"""Adapters that call the URL of a test."""

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.connect.resolver import Address
from gateway.core.model import DialRequest
from gateway.settings import SenderName
from tests.senders import Sender, sender_of

PHONE = "+12065550177"
SOON_S = 2.0
"""Far longer than a revoked call takes to end, and far shorter than its delay and than its time-out."""


def requests(count: int = 1, attribute_bytes: int = 1) -> list[DialRequest]:
    """Make dial requests as the core passes them."""
    attributes = {"k": "v" * attribute_bytes}
    return [DialRequest("c", f"t-{n}", PHONE, attributes, 4e9, 50) for n in range(count)]


@asynccontextmanager
async def adapter(
    url: str, sender: SenderName, timeout_s: float = 5.0, **options: Any
) -> AsyncIterator[Sender]:
    """Make an adapter that calls `url`."""
    keys = ("simulator", "simulator")
    connect = sender_of(
        sender,
        **{
            "timeout_s": timeout_s,
            "endpoint_url": url,
            "region": "us-east-1",
            "credentials": keys,
            **options,
        },
    )
    try:
        yield connect
    finally:
        await connect.close()


class SlowNames:
    """A resolver that answers once `found` is set; every name is this host."""

    def __init__(self) -> None:
        self.found = threading.Event()
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked += 1
        self.found.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port))]
