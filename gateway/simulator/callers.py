"""Other callers that spend the account's quota, without the gateway's knowledge.

They have no clock. Before a call is judged, their calls up to that instant are charged in order of time. So
the result is the same as if each had sent its own calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gateway.simulator.quota import PUT_BATCH

Take = Callable[[str, float, float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCaller:
    """Another client of the account, which makes calls at a constant rate.

    Attributes:
        calls_per_s: calls a second.
        begin_at: Unix seconds of the first call.
        end_at: Unix seconds before which the last one is; None is without end.
        operation: the operation that is called; those in one row of AWS's quotas share a bucket.
        insists: a call that finds no token takes the next one in advance, like a client that repeats a
            throttled call at once. So `calls_per_s` of the quota, or all of it, are not left for others.
            Otherwise that call is throttled and not repeated.

    Raises:
        ValueError: a value is out of its range.

    """

    calls_per_s: float
    begin_at: float
    end_at: float | None = None
    operation: str = PUT_BATCH
    insists: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.calls_per_s <= 10_000:
            raise ValueError(f"calls_per_s must be over 0 and at most 10000, not {self.calls_per_s}")
        if not math.isfinite(self.begin_at):
            raise ValueError(f"begin_at must be a time, not {self.begin_at}")
        if self.end_at is not None and not self.end_at >= self.begin_at:
            raise ValueError("end_at must not be before begin_at")


@dataclass(slots=True)
class CallerRecord:
    """A caller, with the numbers of its calls that were granted and throttled so far."""

    id: int
    caller: OtherCaller
    granted: int = 0
    throttled: int = 0

    @property
    def next_at(self) -> float:
        """Unix seconds of its next call; infinite after the last."""
        caller = self.caller
        # Counted from the beginning, so that the steps' rounding does not add up.
        at = caller.begin_at + (self.granted + self.throttled) / caller.calls_per_s
        return math.inf if caller.end_at is not None and at >= caller.end_at else at


class OtherCallers:
    """All other callers of the account."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._records: list[CallerRecord] = []
        self._next_at = math.inf
        self._last_id = 0

    def add(self, caller: OtherCaller) -> int:
        """Add a caller; return the number by which it can be removed."""
        self._last_id += 1
        self._records.append(CallerRecord(self._last_id, caller))
        self._find_next()
        return self._last_id

    def remove(self, caller_id: int) -> bool:
        """Remove a caller; return False if there is none with this number."""
        before = len(self._records)
        self._records = [record for record in self._records if record.id != caller_id]
        self._find_next()
        return len(self._records) < before

    def clear(self) -> None:
        """Remove every caller."""
        self._records.clear()
        self._find_next()

    def records(self, now: float) -> tuple[CallerRecord, ...]:
        """Return every caller with its counts until `now`, in Unix seconds, oldest first."""
        self.catch_up(now)
        return tuple(self._records)

    def catch_up(self, now: float) -> None:
        """Charge every call that is due until `now`, in Unix seconds, the earliest first."""
        while self._next_at <= now:
            due = min(self._records, key=lambda record: record.next_at)
            ahead = 1.0 if due.caller.insists else 0.0
            if self._take(due.caller.operation, self._next_at, ahead):
                due.granted += 1
            else:
                due.throttled += 1
            self._find_next()

    def _find_next(self) -> None:
        self._next_at = min((record.next_at for record in self._records), default=math.inf)
