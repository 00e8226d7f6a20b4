"""Drops the bytes of an abandoned call that the kernel has not sent yet."""

import socket
import struct
from contextlib import suppress

_DROP = struct.pack("ii", 1, 0)


def drop_when_closed(sock: socket.socket) -> None:
    """Make a socket drop its unsent bytes, and reset its connection, when it is closed (SO_LINGER of 0 s)."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
