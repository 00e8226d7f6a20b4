"""Resolves names in separate threads, since a lookup by the system cannot be interrupted.

Calls that need the same name at the same time share one lookup. If a lookup takes longer than `STALE_S`, the
next call starts another one in parallel, up to `MAX_LOOKUPS` for a name.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

STALE_S = 5.0
"""Seconds after which an unfinished lookup is no longer shared."""
MAX_LOOKUPS = 4
"""Lookups of one name at the same time."""

Address = tuple[int, int, int, Any]
"""Family, type and protocol of a socket, and where to connect it."""
LookUp = Callable[[str, int], Sequence[Address]]


def system_lookup(host: str, port: int) -> list[Address]:
    """Look a name up as the system does. Raises `socket.gaierror`."""
    found = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


class Resolver:
    """Looks names up with `look_up`, in daemon threads."""

    def __init__(self, look_up: LookUp = system_lookup, now: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._now = now
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], list[tuple[float, Future[Sequence[Address]]]]] = {}

    def begin(self, host: str, port: int) -> "Future[Sequence[Address]]":
        """Return the lookup of a name, which may be under way already. Its exception is `look_up`'s."""
        with self._lock:
            lookups = self._under_way.setdefault((host, port), [])
            if lookups and (self._now() - lookups[-1][0] < STALE_S or len(lookups) >= MAX_LOOKUPS):
                return lookups[-1][1]
            future: Future[Sequence[Address]] = Future()
            lookups.append((self._now(), future))
        threading.Thread(target=self._run, args=(host, port, future), name="lookup", daemon=True).start()
        return future

    def _run(self, host: str, port: int, future: "Future[Sequence[Address]]") -> None:
        try:
            result = self._look_up(host, port)
        except Exception as error:  # noqa: BLE001 - the future passes it on
            self._forget(host, port, future)
            future.set_exception(error)
        else:
            self._forget(host, port, future)
            future.set_result(result)

    def _forget(self, host: str, port: int, future: "Future[Sequence[Address]]") -> None:
        with self._lock:
            left = [one for one in self._under_way[host, port] if one[1] is not future]
            self._under_way[host, port] = left
            if not left:
                del self._under_way[host, port]
