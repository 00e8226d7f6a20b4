"""The drain of a gateway: it sends what it can for a while, and answers the rest, a slice at a time."""

from functools import partial

from gateway.core import answers
from gateway.core.campaigns.holds import Holds
from gateway.core.compliance.guarding import Guarding
from gateway.core.entry_state import EntryState
from gateway.core.model import Batch, Entry, Reason
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.slices import Slices
from gateway.core.tokens.outstanding import Outstanding

_ENDING_SOON = frozenset({EntryState.IN_FLIGHT, EntryState.CHECKING})


class Draining:
    """Whether the gateway drains, and the answers to the dial requests that it will not send.

    `send_until` is the instant until which calls may be sent; None before the drain.
    """

    def __init__(
        self,
        outstanding: Outstanding,
        scheduler: Scheduler,
        holds: Holds,
        slices: Slices,
        guarding: Guarding,
    ) -> None:
        self._outstanding = outstanding
        self._scheduler = scheduler
        self._holds = holds
        self._slices = slices
        self._guarding = guarding
        self.send_until: float | None = None
        self._stopped = False
        self._giving_up: set[str] = set()
        self._skipped: set[str] = set()

    def is_sending(self, now: float) -> bool:
        """Whether calls may still be sent. A draining gateway stops sending some time before its end."""
        return self.send_until is None or now < self.send_until

    def sends_again(self, now: float, batch: Batch) -> bool:
        """Whether requests that come back from a call may wait for another one.

        A draining gateway does not wait for the end of a hold. Purges and holds that answer have their own
        answer for these requests.
        """
        if self.send_until is None:
            return True
        hold = self._holds.get(batch.campaign_id)
        waits = hold is not None and not hold.answering and not batch.purged
        return now < self.send_until and not waits

    def begin(self, now: float, send_until: float) -> None:
        """Begin to drain: linger no more. Nothing is sent from `send_until` on.

        Requests that wait for calling hours are answered, as those of held campaigns.
        """
        self.send_until = send_until
        self._slices.add(self._scheduler.drain(), self._scheduler.consider)
        self._slices.add(self._guarding.drain(), self._give_up_waiting)
        self._slices.run(now)

    def stop_sending(self) -> None:
        """Answer the waiting requests, since nothing is sent any more; those in calls when the calls end."""
        if not self._stopped:
            self._stopped = True
            self._slices.add(self._outstanding.all_entries(), self._give_up_waiting)

    def abandon(self, now: float) -> None:
        """Answer all outstanding requests, those in calls included."""
        self.send_until = now if self.send_until is None else min(now, self.send_until)
        self._slices.add(self._outstanding.all_entries(), self._give_up)

    def give_up_held(self) -> None:
        """Answer the waiting requests of held campaigns: a draining gateway will not send them."""
        for campaign_id in self._holds.names():
            if campaign_id not in self._giving_up and self._outstanding.count_of(campaign_id):
                self._giving_up.add(campaign_id)
                done = partial(self._given_up_held, campaign_id)
                self._slices.add(self._outstanding.entries_of(campaign_id), self._give_up_held, done)

    def _given_up_held(self, campaign_id: str, now: float) -> None:
        self._giving_up.discard(campaign_id)
        if campaign_id in self._skipped:  # it was released meanwhile, and may be held again
            self._skipped.discard(campaign_id)
            self.give_up_held()

    def _give_up_held(self, now: float, entry: Entry) -> None:
        if entry.request.campaign_id in self._holds:
            self._give_up_waiting(now, entry)
        else:
            self._skipped.add(entry.request.campaign_id)

    def _give_up_waiting(self, now: float, entry: Entry) -> None:
        # Requests in a call are answered when it ends, and denials when the fleet's ledger was asked.
        if entry.state not in _ENDING_SOON:
            self._give_up(now, entry)

    def _give_up(self, now: float, entry: Entry) -> None:
        """Answer an entry in any state."""
        if entry.state is EntryState.SETTLED:  # it was answered after this work had begun
            return
        if entry.state is not EntryState.IN_FLIGHT:  # out of its call it would count as dropped unsent
            self._scheduler.remove(entry)
        self._outstanding.settle(now, entry, answers.given_up(entry, Reason.DRAINING))
