"""What a replica reports of the calls that it could make."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from gateway.core.fleet.messages import DemandRow
from gateway.core.model import Priority
from gateway.core.scheduling.caller_queue import CallerQueue
from gateway.core.scheduling.place import Place, Standing
from gateway.core.scheduling.scheduler import Scheduler

ROWS_LIMIT = 32
"""Turns that are reported: those that come next, and the first of each priority."""
CALLS_LIMIT = 10_000


class CallDemand(Protocol):
    """The calls that the replica could make."""

    @property
    def retries(self) -> int: ...  # noqa: D102

    @property
    def exists(self) -> bool: ...  # noqa: D102

    @property
    def priority(self) -> int: ...  # noqa: D102

    def rows(self, now: float) -> tuple[DemandRow, ...]:
        """Return the turns that come next."""
        ...


class Demand:
    """The calls of one replica that could be made at once, and those that wait for a further attempt.

    `retries` are the calls that wait for the permit of a further attempt.
    """

    def __init__(self, scheduler: Scheduler, retries: Sequence[int]) -> None:
        self._scheduler = scheduler
        self._retries = retries

    @property
    def retries(self) -> int:
        """How many calls wait for the permit of a further attempt."""
        return len(self._retries)

    @property
    def exists(self) -> bool:
        """Whether any call could be made."""
        return bool(self._retries) or self._scheduler.has_ready

    @property
    def priority(self) -> int:
        """The most urgent priority of the calls; -1 for further attempts, and a high number for none."""
        if self._retries:
            return -1
        return min((place.priority for place, _ in self._scheduler.first_turns()), default=len(Priority))

    def rows(self, now: float) -> tuple[DemandRow, ...]:
        """Return the turns that come next. Doubtful campaigns are reported only if there are no others."""
        queues = list(islice(self._turns(Standing.REGULAR), ROWS_LIMIT))
        seen = {place.priority for place, _ in queues}
        queues += [turn for turn in self._firsts(Standing.REGULAR) if turn[0].priority not in seen]
        if not queues:
            queues = list(islice(self._turns(Standing.DOUBTFUL), ROWS_LIMIT))
        return tuple(self._row(now, place, queue) for place, queue in queues)

    def _turns(self, standing: Standing) -> Iterator[tuple[Place, CallerQueue]]:
        return (turn for turn in self._scheduler.turns() if turn[0].standing is standing)

    def _firsts(self, standing: Standing) -> Iterator[tuple[Place, CallerQueue]]:
        return (turn for turn in self._scheduler.first_turns() if turn[0].standing is standing)

    def _row(self, now: float, place: Place, queue: CallerQueue) -> DemandRow:
        return DemandRow(
            priority=place.priority,
            caller=queue.caller,
            campaign_id=queue.campaign_id,
            calls=min(self._scheduler.calls_of(queue), CALLS_LIMIT),
            full=not self._scheduler.may_linger(now, queue.campaign_id),
            weight=queue.weight,
            doubtful=place.standing is Standing.DOUBTFUL,
        )
