"""An operator's actions on a campaign: hold, release, purge.

No batch is formed for a held campaign. Its calls under way are revoked (`Engine.revoke_calls`): a call that
has not left is not sent, and no call gets a further attempt. Requests that such a call leaves undecided wait,
or are answered, like the others. Requests that are in a call at the time of a hold or purge are not answered
here, since Amazon Connect may have them.
"""

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
    """Does to conditions, queues and holdings what an operator asks for."""

    outstanding: Outstanding
    scheduler: Scheduler
    flow: CampaignFlow
    notices: Notices
    statistics: Statistics
    slices: Slices

    def hold(self, now: float, campaign_id: str, hold: Hold) -> None:
        """Let no more calls of a campaign leave; raises `TooManyHolds`.

        Where the hold answers, what rests is for `answer_waiting` with `settle.HELD`.
        """
        again = campaign_id in self.flow.holds
        self.flow.holds.put(campaign_id, hold)
        if not again:
            self.scheduler.reconsider(now, campaign_id)
            self._tell(now, campaign_id, self.scheduler.sources(campaign_id))
            self.slices.add(
                self.outstanding.entries_of(campaign_id), partial(self._tell_waiters, campaign_id)
            )
        self.acted(campaign_id, OperatorAction(ActionKind.HOLD, hold.caller, hold.reason, hold.at))

    def release(self, now: float, campaign_id: str, action: OperatorAction) -> bool:
        """Let calls of a campaign leave again; return whether it was held."""
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
        """Return what of a campaign is in no call."""
        return self.outstanding.waiting(campaign_id)

    def answer_waiting(self, now: float, entries: Sequence[Entry], refusal: answers.CampaignRefusal) -> int:
        """Answer entries that are in no call with a refusal; return how many were answered.

        Those that nobody waits for any more are not counted.
        """
        count = 0
        for entry in entries:
            if entry.state in {EntryState.WAITING, EntryState.DELAYED}:
                self.scheduler.remove(entry)
                count += self.outstanding.settle(now, entry, refusal.answer(entry))
        return count

    def acted(self, campaign_id: str, action: OperatorAction) -> None:
        """Remember what was done to a campaign, for the listing."""
        self.statistics.acted(campaign_id, action)

    def _tell(self, now: float, campaign_id: str, sources: "set[Source] | tuple[()]") -> bool:
        """Tell sources, and those who know of another reason, what keeps a campaign, if anything does."""
        notice = self.flow.notice(now, campaign_id)
        if notice is not None:
            self.notices.tell_again(campaign_id, sources, notice)
        return notice is not None

    def _tell_waiters(self, campaign_id: str, now: float, entry: Entry) -> None:
        """Tell the waiters of one entry that its campaign is held, as long as it is.

        Sources with a queue have been told. Others wait for an entry that is in no queue of theirs: it is in
        a call, delayed or suspected, or they joined it.
        """
        if entry.state is EntryState.WAITING and len(entry.waiters) == 1 and not entry.suspect:
            return
        notice = self.flow.notice(now, campaign_id)
        if notice is not None and campaign_id in self.flow.holds:
            sources = {waiter.source for waiter in entry.waiters if campaign_id not in waiter.source.noticed}
            self.notices.tell(campaign_id, sources, notice)
