"""Carries out the actions of a fleet's operators on this replica."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Sequence

from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.fleet.holds import Changes
from gateway.core.fleet.messages import FleetAction
from gateway.core.fleet.store_clock import StoreClock
from gateway.dispatch.campaign_actions import CampaignActions
from gateway.runtime.supervision import Supervisor

log = logging.getLogger(__name__)

CONFIRMED_WITHIN_S = 1.0
"""Seconds within which an operator is told which replicas have carried an action out. A purge that a replica
learns of later does not answer requests that have arrived after that time."""


class FleetActions:
    """Carries out changes of holds, and purges. `clock` converts the store's time to instants of `now`."""

    def __init__(
        self, actions: CampaignActions, now: Callable[[], float], clock: StoreClock, supervisor: Supervisor
    ) -> None:
        self._actions = actions
        self._now = now
        self._clock = clock
        self._supervisor = supervisor
        self._tasks: set[asyncio.Task[int]] = set()

    def carry_out(self, changes: Changes) -> "list[asyncio.Task[int]]":
        """Carry out actions that operators asked this replica for.

        Calls stop before this returns. The tasks answer dial requests, and return how many.
        """
        return [self._start(action, work) for action, work in self._begin(changes)]

    def carry_out_for_others(self, changes: Changes, counted: Callable[[int, int], None]) -> None:
        """Carry out actions that operators asked other replicas for, and write the audit record.

        Calls stop before this returns. `counted` is called later, with the version of each action that
        answers dial requests, and how many it has answered.
        """
        _log(changes)
        for action, work in self._begin(changes, purge_late=True):
            self._start(action, _reported(action, work, counted))

    def _begin(
        self, changes: Changes, *, purge_late: bool = False
    ) -> list[tuple[FleetAction, Coroutine[None, None, int]]]:
        """Stop calls, and end holds; return the actions that answer dial requests, each with that work."""
        works: list[tuple[FleetAction, Coroutine[None, None, int]]] = []
        for hold in changes.held:
            held = Hold(hold.caller, hold.reason, self._instant(hold), hold.answering)
            unsent = self._actions.begin_hold(hold.campaign_id, held, limited=False)
            if hold.answering:
                works.append((hold, self._answer_held(hold.campaign_id, unsent)))
        for release in changes.released:
            self._actions.release(release.campaign_id, self._record(ActionKind.RELEASE, release))
        for purge in changes.purged:
            record = self._record(ActionKind.PURGE, purge)
            arrived_by = record.at + CONFIRMED_WITHIN_S if purge_late else math.inf
            works.append((purge, self._actions.purge(purge.campaign_id, record, arrived_by)))
        return works

    def _record(self, kind: ActionKind, action: FleetAction) -> OperatorAction:
        return OperatorAction(kind, action.caller, action.reason, self._instant(action))

    def _instant(self, action: FleetAction) -> float:
        """Return when an action was recorded; now if the store's time was not known."""
        return min(self._clock.instant(action.at_ms), self._now()) if action.at_ms else self._now()

    async def _answer_held(self, campaign_id: str, unsent: int) -> int:
        return unsent + await self._actions.answer_held(campaign_id)

    def _start(self, action: FleetAction, work: Coroutine[None, None, int]) -> "asyncio.Task[int]":
        task = asyncio.create_task(work, name=f"fleet-{action.kind.value}")
        self._tasks.add(task)
        self._supervisor.watch(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def total(tasks: "Sequence[asyncio.Task[int]]") -> int:
    """Return the sum of the results of tasks. The tasks continue if the caller is cancelled."""
    return sum([await asyncio.shield(task) for task in tasks])


async def _reported(
    action: FleetAction, work: Coroutine[None, None, int], counted: Callable[[int, int], None]
) -> int:
    count = await work
    if action.version:
        counted(action.version, count)
    return count


def _log(changes: Changes) -> None:
    for event, actions in (
        ("a campaign is held for the fleet", changes.held),
        ("a campaign is released for the fleet", changes.released),
        ("a campaign is purged for the fleet", changes.purged),
    ):
        for action in actions:
            about = {"campaign": action.campaign_id, "caller": action.caller, "reason": action.reason}
            log.info(event, extra=about)
