"""Stops the calls of a replica while it knows too little of the suppressions of its fleet."""

import logging
from collections.abc import Callable
from typing import Protocol

from gateway.core.fleet.suppressions import FleetSuppressions
from gateway.fleet.suppression_key import FOREIGN_KEY, FleetKey
from gateway.shared_state.port import SharedStateError

log = logging.getLogger(__name__)

BEHIND_S = 0.4
"""Seconds for which a replica goes on sending while it reads suppressions that a beat has told of."""


class Suspendable(Protocol):
    """What permits the calls of this replica."""

    suspended: bool


class SendingStop:
    """Suspends `permits` until everything was read once, and while this replica is behind for `BEHIND_S`.

    The same holds while the fleet has another key, and from when on too many numbers are suppressed. `now`
    returns seconds on the gateway's clock. `wake` is called when calls are suspended or permitted again.
    """

    def __init__(
        self,
        permits: Suspendable,
        suppressions: FleetSuppressions,
        key: FleetKey,
        now: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._permits = permits
        self._suppressions = suppressions
        self._key = key
        self._now = now
        self._wake = wake
        self._behind_since: float | None = None
        self._too_many = False
        self._is_logged = False
        permits.suspended = True

    def judge(self) -> None:
        """Decide whether this replica knows enough to send."""
        now, before = self._now(), self._permits.suspended
        if not self._suppressions.behind:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        is_late = self._behind_since is not None and (before or now - self._behind_since >= BEHIND_S)
        self._permits.suspended = is_late or self._key.is_foreign or self._too_many
        if self._permits.suspended != before:
            self._wake()

    def too_many(self) -> None:
        """Note that more numbers are suppressed than this replica can keep: it sends nothing any more."""
        self._too_many = True
        self.judge()

    def answered(self) -> None:
        """Note that the store has answered."""
        self._is_logged = False

    def unanswered(self, problem: SharedStateError) -> None:
        """Note that the store has not answered, and log the first time that this keeps calls from leaving."""
        self.judge()
        if self._permits.suspended and not self._is_logged:
            self._is_logged = True
            log.error("the suppressed numbers of the fleet cannot be read: %s; nothing is sent", problem)

    def in_words(self) -> str | None:
        """Return why nothing is sent, None if the suppressions hinder nothing."""
        if self._key.is_foreign:
            return FOREIGN_KEY
        if self._too_many:
            return "more numbers are suppressed than this replica can keep; nothing is sent"
        if self._permits.suspended:
            return "the suppressed numbers of the fleet were not read yet; nothing is sent"
        return None
