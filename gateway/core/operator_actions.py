"""An operator's actions on a campaign: hold, release, purge.

No batch is formed for a held campaign. Its calls in flight are revoked (`Engine.revoke_calls`): a call that
has not left is not sent, and no call gets a further attempt. Requests that such a call leaves undecided wait,
or are answered, like the others. Requests that are in a call at the time of a hold or purge are not answered
here, since Amazon Connect may have them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gateway.core import answers
from gateway.core.campaigns import conditions
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.campaigns.notices import Notices
from gateway.core.entry_state import EntryState
from gateway.core.model import Entry, Source
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.slices import Slices
from gateway.core.tokens.outstanding import Outstanding
from gateway.core.views.statistics import Statistics


@dataclass(frozen=True, slots=True)
class OperatorActions:
    """Carries out an operator's actions on holds, queues and outstanding requests."""

    outstanding: Outstanding
    scheduler: Scheduler
    flow: CampaignFlow
    notices: Notices
    statistics: Statistics
    slices: Slices

    def hold(self, now: float, campaign_id: str, hold: Hold, *, limited: bool = True) -> None:
        """Make no more calls for a campaign; raises `TooManyHolds` if holds are `limited`.

        If the hold is answering, the waiting requests are for `answer_waiting` with `answers.HELD`.
        """
        again = campaign_id in self.flow.holds
        if limited:
            self.flow.holds.put(campaign_id, hold)
        else:
            self.flow.holds.keep(campaign_id, hold)
        if not again:
            self.scheduler.reconsider(now, campaign_id)
            self._tell(now, campaign_id, self.scheduler.sources(campaign_id))
            self.slices.add(
                self.outstanding.entries_of(campaign_id), partial(self._tell_waiters, campaign_id)
            )
        self.acted(campaign_id, OperatorAction(ActionKind.HOLD, hold.caller, hold.reason, hold.at))

    def release(self, now: float, campaign_id: str, action: OperatorAction) -> bool:
        """Release a campaign; return whether it was held."""
        if not self.flow.holds.release(campaign_id):
            return False
        if not self._tell(now, campaign_id, ()):
            self.notices.tell_flowing(campaign_id, conditions.resumed())
        self.scheduler.reconsider(now, campaign_id)
        self.acted(campaign_id, action)
        return True

    def entries_of(self, campaign_id: str) -> list[Entry]:
        """Return all entries of a campaign; `answer_waiting` skips those in calls."""
        return self.outstanding.entries_of(campaign_id)

    def waiting(self, campaign_id: str) -> list[Entry]:
        """Return the entries of a campaign that are in no call."""
        return self.outstanding.waiting(campaign_id)

    def answer_waiting(
        self,
        now: float,
        entries: Sequence[Entry],
        refusal: answers.CampaignRefusal,
        arrived_by: float = math.inf,
    ) -> int:
        """Answer entries that are in no call with a refusal; return how many were answered.

        Entries without waiters are not counted. Those that began to wait after `arrived_by` stay.
        """
        count = 0
        for entry in entries:
            if entry.state in {EntryState.WAITING, EntryState.DELAYED} and entry.arrived_at <= arrived_by:
                self.scheduler.remove(entry)
                count += self.outstanding.settle(now, entry, refusal.answer(entry))
        return count

    def acted(self, campaign_id: str, action: OperatorAction) -> None:
        """Remember the last action on a campaign, for the list of campaigns."""
        self.statistics.acted(campaign_id, action)

    def _tell(self, now: float, campaign_id: str, sources: "set[Source] | tuple[()]") -> bool:
        """Tell sources why a campaign does not flow, if it does not; return whether it does not."""
        notice = self.flow.notice(now, campaign_id)
        if notice is not None:
            self.notices.tell_again(campaign_id, sources, notice)
        return notice is not None

    def _tell_waiters(self, campaign_id: str, now: float, entry: Entry) -> None:
        """Tell the waiters of one entry that its campaign is held, if it still is.

        Sources with a queue have been told when the hold began. Others wait for an entry that was in no queue
        of theirs: it was in a call, delayed or suspected, or they joined it.
        """
        sources = {waiter.source for waiter in entry.waiters if campaign_id not in waiter.source.noticed}
        notice = self.flow.notice(now, campaign_id) if sources and campaign_id in self.flow.holds else None
        if notice is not None:
            self.notices.tell(campaign_id, sources, notice)
