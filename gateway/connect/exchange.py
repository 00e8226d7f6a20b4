"""One attempt on the network: its ticket, and its present socket, which another thread can reset."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from gateway.connect.resolver import Address, Resolver
from gateway.connect.ticket import Ticket
from gateway.connect.unsent import drop_when_closed

T = TypeVar("T")


class ExchangeCutError(ConnectionAbortedError):
    """The attempt was cut: its call was revoked, timed out or was cancelled."""


class Exchange:
    """One thread owns it and opens sockets through it; any other thread may call `cut`.

    An abandoned socket is reset, so the kernel drops the bytes of a request that it has not sent.
    """

    __slots__ = ("_cut", "_lock", "_lookup", "_resolver", "_socket", "ticket")

    def __init__(self, ticket: Ticket, resolver: Resolver) -> None:
        self.ticket = ticket
        self._resolver = resolver
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._lookup: threading.Event | None = None
        self._cut = False

    def cut(self) -> None:
        """End at once the operation in which the thread waits on the network."""
        with self._lock:
            self._cut = True
            if self._lookup is not None:
                self._lookup.set()
            if self._socket is not None:
                _reset(self._socket)

    def use(self, sock: socket.socket | None) -> None:
        """Note which socket the thread uses from now on, if any. Raises `ExchangeCutError`."""
        with self._lock:
            self._socket = sock
            if self._cut and sock is not None:
                _reset(sock)
                raise ExchangeCutError

    def connect(
        self, host: str, port: int, timeout_s: float | None, options: Sequence[tuple[int, int, int | bytes]]
    ) -> socket.socket:
        """Return a socket connected to a host, at the first of its addresses that answers.

        Raises `socket.gaierror` for an unknown name, and OSError (also TimeoutError) if no connection can be
        opened.
        """
        refusal = OSError("the name has no address")
        for address in self._wait(self._resolver.begin(host, port), timeout_s):
            try:
                return self._connected(address, timeout_s, options)
            except ExchangeCutError:
                raise
            except OSError as error:
                refusal = error
        raise refusal

    def _connected(
        self, address: Address, timeout_s: float | None, options: Sequence[tuple[int, int, int | bytes]]
    ) -> socket.socket:
        family, kind, protocol, where = address
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(timeout_s)
            self.use(sock)
            sock.connect(where)
        except BaseException:
            self.use(None)
            sock.close()
            raise
        return sock

    def _wait(self, future: "Future[T]", timeout_s: float | None) -> T:
        found = threading.Event()
        with self._lock:
            if self._cut:
                raise ExchangeCutError
            self._lookup = found
        future.add_done_callback(lambda _: found.set())
        if not found.wait(timeout_s):
            raise TimeoutError("the name was not found in time")
        with self._lock:
            self._lookup = None
            if self._cut:
                raise ExchangeCutError
        return future.result()


def _reset(sock: socket.socket) -> None:
    drop_when_closed(sock)
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of SSLSocket would also change its state
