"""The calls in flight: what each of them carries, and how much memory that takes."""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter

from gateway.core.batches import FormedCall
from gateway.core.model import Batch, Entry

_EXPIRES_AT, _COUNTED_ATTEMPTS = attrgetter("expires_at"), attrgetter("counted_attempts")


class CallsInFlight:
    """The calls in flight by number, including those that wait for a further attempt.

    `size_bytes` is the size of the dial requests in them. A request is tried `max_attempts` times,
    and not sent any more `lead_s` seconds before it expires.
    """

    def __init__(self, max_attempts: int, lead_s: float) -> None:
        self._lead_s = lead_s
        self._max_attempts = max_attempts
        self._calls: dict[int, Batch] = {}
        self._last_number = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._calls.values())

    def __contains__(self, batch: Batch) -> bool:
        return batch.number in self._calls

    def get(self, number: int) -> Batch | None:
        """Return a call by its number, None if it has ended."""
        return self._calls.get(number)

    def begin(self, now: float, formed: FormedCall) -> Batch:
        """Count a call as in flight; return its batch."""
        campaign_id, entries, flush, size_bytes = formed
        self._last_number += 1
        batch = Batch(
            number=self._last_number,
            campaign_id=campaign_id,
            entries=entries,
            flush=flush,
            formed_at=now,
            give_up_at=min(map(_EXPIRES_AT, entries)) - self._lead_s,
            attempts_left=self._max_attempts - max(map(_COUNTED_ATTEMPTS, entries)),
            size_bytes=size_bytes,
        )
        self.size_bytes += size_bytes
        self._calls[batch.number] = batch
        return batch

    def shrink(self, batch: Batch, entries: list[Entry]) -> None:
        """Reduce a call that has not been sent to some of its entries."""
        self.size_bytes -= batch.size_bytes
        batch.entries = entries
        batch.size_bytes = sum(entry.request.size_bytes for entry in entries)
        self.size_bytes += batch.size_bytes
        if entries:
            batch.give_up_at = min(map(_EXPIRES_AT, entries)) - self._lead_s
            batch.attempts_left = self._max_attempts - max(map(_COUNTED_ATTEMPTS, entries))

    def end(self, batch: Batch) -> bool:
        """Count a call as ended; return whether it was in flight."""
        if self._calls.pop(batch.number, None) is None:
            return False
        self.size_bytes -= batch.size_bytes
        return True

    def revoke(
        self, campaign_id: str | None = None, *, purging: bool = False, formed_by: float = math.inf
    ) -> list[Batch]:
        """Revoke the calls that were formed by an instant, of one campaign or of all; return those.

        With `purging`, requests that they leave undecided are answered PURGED.
        """
        calls = [
            call
            for call in self._calls.values()
            if campaign_id in {None, call.campaign_id} and call.formed_at <= formed_by
        ]
        for call in calls:
            call.revoked = True
            call.purged |= purging
        return calls

    def abandon(self, unsent: Sequence[Batch]) -> list[Batch]:
        """Forget all calls; return those that Amazon Connect may have, all but the `unsent` ones.

        Their entries are in doubt.
        """
        kept_back = {batch.number for batch in unsent}
        sent = [call for call in self._calls.values() if call.number not in kept_back]
        for call in sent:
            for entry in call.entries:
                entry.in_doubt = True
        self._calls.clear()
        self.size_bytes = 0
        return sent
