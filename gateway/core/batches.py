"""Forms the batch of the next call, once a call is permitted."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.compliance.guarding import Guarding
from gateway.core.intake.departures import Departures
from gateway.core.model import BATCH_BYTES, Entry, FlushReason
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.settlement.completion import Completion
from gateway.core.slices import Slices

EXAMINED_LIMIT = 500
"""Dial requests that are examined to fill one call, at most."""


class FormedCall(NamedTuple):
    """The entries of a call, all of one campaign, and their size in bytes.

    `Scheduler.formed` must follow when the call has been counted.
    """

    campaign_id: str
    entries: list[Entry]
    flush: FlushReason
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BatchFormer:
    """Takes entries from the scheduler's queues, and leaves out those that must not be sent any more."""

    scheduler: Scheduler
    departures: Departures
    completion: Completion
    expiry: ExpiryScale
    slices: Slices
    guarding: Guarding

    def form(self, now: float, hint: tuple[str, str] | None = None) -> FormedCall | None:
        """Form the next call; None if all of it has expired or has no waiters any more.

        `hint` is the caller and the campaign that the permit was granted for, None if it is for any.
        """
        taken, flush = self.scheduler.form(now, hint)
        if not taken:
            return None
        self.slices.left -= 1
        campaign_id = taken[0].request.campaign_id
        entries = self._sendable(now, taken)
        if len(entries) < len(taken) and flush is not FlushReason.SUSPECT:
            entries = self._filled_up(now, campaign_id, entries, len(taken))
        entries, size = self._within_size(now, entries, flush)
        if entries:
            return FormedCall(campaign_id, entries, flush, size)
        self.scheduler.formed(now, campaign_id)
        return None

    def _sendable(self, now: float, taken: list[Entry]) -> list[Entry]:
        """Return the entries of a call that still have waiters and time, and that the guard allows.

        Expiries and leaving sources are processed in slices, so some may still be in the queues.
        """
        if self.departures:
            taken = self.departures.keep_unsent(now, taken)
        if self.scheduler.may_contain_expired(now):
            taken = self._unexpired(now, taken)
        return self.guarding.sendable(now, taken)

    def _unexpired(self, now: float, taken: list[Entry]) -> list[Entry]:
        expired_at = self.expiry.cutoff(now)
        expired = [entry for entry in taken if entry.expires_at <= expired_at]
        kept = [entry for entry in taken if entry.expires_at > expired_at]
        for entry in expired:
            self.completion.expire(now, entry)
        return kept

    def _filled_up(self, now: float, campaign_id: str, entries: list[Entry], size: int) -> list[Entry]:
        """Return the entries of a call with more of the campaign, up to its size."""
        seen = 0
        while len(entries) < size and seen < EXAMINED_LIMIT:
            more = self.scheduler.take_more(campaign_id, size - len(entries))
            if not more:
                break
            seen += len(more)
            entries = entries + self._sendable(now, more)
        self.slices.left -= seen
        return entries

    def _within_size(self, now: float, taken: list[Entry], flush: FlushReason) -> tuple[list[Entry], int]:
        """Return the entries that fit into one call, and their size in bytes; put the rest back."""
        sizes = [entry.request.size_bytes for entry in taken]
        size, fit = sum(sizes), len(taken)
        if size <= BATCH_BYTES:
            return taken, size
        while size > BATCH_BYTES and fit > 1:
            fit -= 1
            size -= sizes[fit]
        if fit < len(taken):
            self.scheduler.put_back(now, taken[fit:], suspects=flush is FlushReason.SUSPECT)
        return taken[:fit], size
