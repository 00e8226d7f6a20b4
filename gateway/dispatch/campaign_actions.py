"""Carries out an operator's actions on campaigns in this process: hold, release and purge."""

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import islice

from gateway.core.answers import HELD, PURGED, CampaignRefusal
from gateway.core.campaigns.holds import Hold, OperatorAction
from gateway.core.engine import Engine
from gateway.core.model import Batch
from gateway.core.slices import SLICE, consume
from gateway.dispatch.answer_delivery import AnswerDelivery
from gateway.dispatch.call_tasks import CallTasks


class CampaignActions:
    """Stops calls at once, and answers dial requests a slice at a time.

    `wake` makes the dispatcher take its next turn at once.
    """

    def __init__(
        self,
        engine: Engine,
        calls: CallTasks,
        delivery: AnswerDelivery,
        now: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._delivery = delivery
        self._now = now
        self._wake = wake

    async def hold(self, campaign_id: str, hold: Hold) -> int:
        """Hold a campaign; return how many dial requests were answered by that. Raises `TooManyHolds`."""
        unsent = self.begin_hold(campaign_id, hold)
        return unsent + await self.answer_held(campaign_id) if hold.answering else 0

    def begin_hold(self, campaign_id: str, hold: Hold, *, limited: bool = True) -> int:
        """Stop the calls of a campaign at once; return how many dial requests of those were not sent.

        Raises `TooManyHolds` if holds are `limited`.
        """
        self._engine.operator_actions.hold(self._now(), campaign_id, hold, limited=limited)
        unsent = self._calls.revoke(self._engine.revoke_calls(campaign_id))
        self._wake()
        return _entries_in(unsent)

    async def answer_held(self, campaign_id: str) -> int:
        """Answer the waiting dial requests of a held campaign HELD; return how many that were."""
        return await self._answer_waiting(campaign_id, HELD)

    def release(self, campaign_id: str, action: OperatorAction) -> bool:
        """Hold a campaign no longer; return whether it was held."""
        released = self._engine.operator_actions.release(self._now(), campaign_id, action)
        self._wake()
        return released

    async def purge(self, campaign_id: str, action: OperatorAction, arrived_by: float = math.inf) -> int:
        """Answer what was queued for a campaign at `arrived_by`; return how many dial requests that were."""
        calls = self._engine.revoke_calls(campaign_id, purging=True, formed_by=arrived_by)
        unsent = self._calls.revoke(calls)
        self._wake()
        purged = _entries_in(unsent) + await self._answer_waiting(campaign_id, PURGED, arrived_by)
        self._engine.operator_actions.acted(campaign_id, action._replace(answered=purged))
        return purged

    async def _answer_waiting(
        self, campaign_id: str, refusal: CampaignRefusal, arrived_by: float = math.inf
    ) -> int:
        """Answer the waiting dial requests of a campaign, if each still waits when its turn comes."""
        total = 0
        units = consume(self._engine.operator_actions.entries_of(campaign_id))
        while part := list(islice(units, SLICE)):
            total += self._engine.operator_actions.answer_waiting(self._now(), part, refusal, arrived_by)
            self._delivery.deliver()
            self._wake()
            await asyncio.sleep(0)
        return total


def _entries_in(calls: Sequence[Batch]) -> int:
    """Return how many dial requests with waiters are in calls."""
    return sum(bool(entry.waiters) for call in calls for entry in call.entries)
