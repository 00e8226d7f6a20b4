"""The key with which all replicas of a fleet hash numbers."""

import asyncio
import logging
from collections.abc import Callable

from gateway.fleet.suppressed_numbers import HashKey, NoKey

log = logging.getLogger(__name__)

PROPOSED_AFTER_S = 1.0
"""Seconds for which the fleet has no key after which a replica that knows no suppressions proposes its own.
Replicas that know suppressions propose theirs at once: a store that has lost its data gets the key back
before a new replica can fill it with hashes of another key."""
FOREIGN_KEY = (
    "the suppressed numbers of the fleet are hashed with another key: "
    "DIAL_GATEWAY_GUARD_KEY_FILE must have the same key on all replicas; nothing is sent"
)


class FleetKey:
    """The key of this replica, and whether it is the fleet's. `now` returns seconds on the gateway's clock.

    `hashed` counts the suppressions here that can be known by this key only. `is_foreign`: the fleet has
    another key, which this replica cannot take.
    """

    def __init__(self, now: Callable[[], float], hashed: Callable[[], int]) -> None:
        self.is_foreign = False
        self._now = now
        self._hashed = hashed
        self._key: HashKey = NoKey()
        self._agreed = asyncio.Event()
        self._keyless_since: float | None = None

    def serve(self, key: HashKey) -> None:
        """Note the key of this process. Called once, before the first exchange."""
        self._key = key

    @property
    def agreed(self) -> bool:
        """Whether this replica hashes with the key of the fleet."""
        return self._agreed.is_set()

    @property
    def kept(self) -> bool:
        """Whether this replica cannot take another key: its own is of a file, or is that of its hashes."""
        return self._key.fixed or self._hashed() > 0

    @property
    def present(self) -> bytes:
        """The key with which this replica hashes now."""
        return self._key.key

    @property
    def proposed(self) -> bytes:
        """The key to propose to the fleet, empty if others may have one that is in use."""
        if self.kept or self.agreed:
            return self._key.key
        since = self._keyless_since
        return self._key.key if since is not None and self._now() - since >= PROPOSED_AFTER_S else b""

    def may_be_lost(self) -> None:
        """Note that the store may have lost the key. Unless it is kept here, the fleet has to agree again."""
        if not self.kept:
            self._agreed.clear()
            self._keyless_since = None

    def take(self, fleet_key: bytes) -> bool:
        """Take the key of the fleet, empty if it has none; return whether hashes of the fleet can be used."""
        if not fleet_key:
            if self._keyless_since is None:
                self._keyless_since = self._now()
            return True  # nothing is suppressed yet
        if fleet_key != self._key.key:
            if self.kept:
                self._refuse()
                return False
            self._key.use(fleet_key)
        self.is_foreign = False
        self._agreed.set()
        return True

    async def wait(self) -> None:
        """Wait until this replica hashes with the key of the fleet."""
        await self._agreed.wait()

    def _refuse(self) -> None:
        if not self.is_foreign:
            self.is_foreign = True
            log.error("%s", FOREIGN_KEY)
