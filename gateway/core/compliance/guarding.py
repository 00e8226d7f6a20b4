"""Applies the verdicts of the compliance guard to outstanding dial requests.

The guard decides when a request is admitted, when a call is formed, at closing time, and when its rules or
suppressed numbers change. A request that may be sent gives up at closing time at the latest, and Amazon
Connect is given that expiration. A request that may be sent later waits, if its own expiration allows it.
All others are answered.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from gateway.core import answers
from gateway.core.compliance.opening_wait import OpeningWait
from gateway.core.compliance.port import LOOK_UPS_AT_ONCE, NoGuard, RequestGuard
from gateway.core.compliance.queue_review import QueueReview
from gateway.core.compliance.recording import Recording
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.entry_state import EntryState, move, move_all
from gateway.core.fleet.contacts import ContactCount, ContactLimit
from gateway.core.instants import earliest
from gateway.core.model import Batch, DialRequest, Entry, Reason
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.slices import SLICE, Slices
from gateway.core.tokens.outstanding import Outstanding

CLOCK_STEP_S = 0.5
"""Seconds by which the wall clock must have been set for all decisions to be made again."""
SHORTEST_S = 0.001
"""Seconds that an entry waits at least, so that rounding between two scales does not make the core busy."""
LOOK_UP_UNITS = SLICE // LOOK_UPS_AT_ONCE
"""Units of a slice that a look-up of a number takes in addition."""
_ALLOWED, _NOT_BEFORE = VerdictKind.ALLOWED, VerdictKind.NOT_BEFORE


class Guarding:
    """The guard, and the entries that wait until it allows them; without a guard all may be sent.

    Once `draining`, nothing waits for an opening.
    """

    def __init__(
        self,
        outstanding: Outstanding,
        scheduler: Scheduler,
        expiry: ExpiryScale,
        slices: Slices,
    ) -> None:
        self.draining = False
        self._outstanding = outstanding
        self._scheduler = scheduler
        self._expiry = expiry
        self._slices = slices
        self.guard: RequestGuard = NoGuard()
        self._decides = False
        self._generation = 1
        self._changes = 0
        self._enough = LOOK_UPS_AT_ONCE
        self._ahead_s = expiry.ahead_s
        self._waiting = OpeningWait()
        self._review = QueueReview(
            outstanding,
            self._waiting,
            slices,
            self._counted(self._review_delayed),
            self._counted(self._review_waiting),
        )
        self._recording = Recording(self._waiting)

    def use(self, guard: RequestGuard) -> None:
        """Decide by a guard, or by another one, from now on; `rules_changed` must follow."""
        self.guard, self._decides = guard, True
        self._generation += 1
        self._changes, self._ahead_s = guard.changes, self._expiry.ahead_s
        self._enough = guard.number_look_ups + LOOK_UPS_AT_ONCE
        self._outstanding.watch = self._recording

    # --- decisions ----------------------------------------------------------------------------------

    def admitted(self, now: float, entries: list[Entry]) -> list[Entry]:
        """Return the new entries that may be sent now; the others wait for an opening, or are answered.

        Those of numbers that take too long to look up now are decided in slices, soon.
        """
        if not self._decides or not entries:
            return entries
        if self.guard.number_look_ups >= self._enough:
            self._postpone(entries)
            return []
        generation = self._generation
        requests = [entry.request for entry in entries]
        verdicts = self.guard.decide_all(self._expiry.at(now), requests)
        kept = []
        if len(verdicts) < len(entries):
            self._postpone(entries[len(verdicts) :])
        for entry, request, verdict in zip(entries, requests, verdicts, strict=False):
            closes_at = verdict.closes_at
            if verdict.kind is _ALLOWED and (
                closes_at is None or closes_at >= request.expires_at
            ):  # nearly always; the rest is decided again, more slowly
                entry.verdict, entry.decided_in = verdict, generation
                kept.append(entry)
            elif self._is_permitted(now, entry):
                kept.append(entry)
        return kept

    def sendable(self, now: float, entries: list[Entry]) -> list[Entry]:
        """Return the entries taken for a call that may be sent now; others wait or are answered.

        A decision holds until closing time, when an entry gives up, unless the guard has changed since.
        """
        if not self._decides:
            return entries
        generation = self._generation
        if all(entry.decided_in == generation for entry in entries):
            return entries
        return [
            entry for entry in entries if entry.decided_in == generation or self._is_permitted(now, entry)
        ]

    def over_limit(self, now: float, entry: Entry, count: ContactCount) -> None:
        """Let an entry of a call wait until its contact limits have room, or answer it."""
        request = entry.request
        verdict = self.verdict_over_limit(now, request, count)
        entry.verdict, entry.decided_in = None, 0
        entry.expires_at = request.expires_at
        self._turn_away(now, entry, verdict)

    def verdict_over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Return the verdict about a request whose contact limits have no room."""
        return self.guard.over_limit(self._expiry.at(now), request, count)

    def over_observed(self, entry: Entry, limits: Sequence[ContactLimit]) -> None:
        """Note that limits of rules which only observe have no room for an entry that is sent."""
        verdict = entry.verdict
        if isinstance(verdict, Verdict):
            known = verdict.observed  # of an earlier call, too
            seen = [one for one in self.guard.over_observed(entry.request, limits) if one not in known]
            entry.verdict = verdict._replace(observed=(*known, *seen))

    def closed(self, now: float, entry: Entry) -> bool:
        """Take an entry that has given up; return whether that was because of closing time.

        Then it waits for the next opening, or is answered. Otherwise its own time has passed.
        """
        verdict = entry.verdict
        if verdict is None or verdict.closes_at is None:
            return False
        entry.expires_at = own = entry.request.expires_at
        if own <= self._expiry.cutoff(now):
            return False
        if self.draining:
            self._outstanding.settle(now, entry, answers.given_up(entry, Reason.DRAINING))
        elif self._is_permitted(now, entry):  # the rules have changed, or the wall clock was set
            self._scheduler.resume(now, entry)
        return True

    def rules_changed(self, now: float, calls: Iterable[Batch]) -> list[Batch]:
        """Decide again about all entries: those in calls at once, the others a slice at a time.

        Return the calls with an entry that may not be sent now, which are revoked.
        """
        if not self._decides:
            return []
        revoked = self._revoke_refused(now, calls)
        self._review.begin(now)
        self._slices.run(now)
        return revoked

    def numbers_changed(self, now: float, calls: Iterable[Batch]) -> list[Batch]:
        """Decide again about all entries, as `rules_changed`, since numbers were suppressed or allowed again.

        This may happen many times a second, so those in no call are decided again together after a pause, or
        when their call is formed.
        """
        if not self._decides:
            return []
        revoked = self._revoke_refused(now, calls)
        self._review.begin_paced(now)
        self._slices.run(now)
        return revoked

    def note_changes(self, now: float, calls: Iterable[Batch]) -> list[Batch]:
        """Decide again about all entries if earlier verdicts may not hold, or the wall clock was set.

        Return the calls with an entry that may not be sent now, which are revoked. It is called once a turn.
        """
        if not self._decides:
            return []
        self._enough = self.guard.number_look_ups + LOOK_UPS_AT_ONCE
        changes, ahead_s = self.guard.changes, self._expiry.ahead_s
        if changes == self._changes and abs(ahead_s - self._ahead_s) <= CLOCK_STEP_S:
            return []
        self._changes, self._ahead_s = changes, ahead_s
        return self.rules_changed(now, calls)

    def advance(self, now: float, limit: int) -> list[Entry]:
        """Put entries whose opening has come into the queues, up to `limit`; return those that have expired.

        They are fewer if numbers must be looked up.
        """
        expired: list[Entry] = []
        if not self._decides:
            return expired
        self._review.advance(now)
        enough = self.guard.number_look_ups + LOOK_UPS_AT_ONCE
        too_late = self._expiry.cutoff(now)
        for entry in islice(self._waiting.due(self._expiry.at(now)), limit):
            if entry.state is not EntryState.DELAYED:  # its denial waits for the fleet's ledger
                continue
            move(entry, EntryState.UNQUEUED)
            if entry.expires_at <= too_late:
                expired.append(entry)
            elif self._is_permitted(now, entry):
                self._scheduler.resume(now, entry)
            if self.guard.number_look_ups >= enough:
                break
        return expired

    def deadline(self) -> float | None:
        """Return when the next entry may be sent, or a review begins; None if nothing waits for that."""
        if not self._decides:
            return None
        opening = self._waiting.deadline()
        return earliest(None if opening is None else self._expiry.back(opening), self._review.deadline())

    @property
    def waiting(self) -> int:
        """How many entries wait until the rules allow them."""
        return len(self._waiting)

    def drain(self) -> list[Entry]:
        """Take out all entries that wait for an opening, since the gateway drains, and return them."""
        self.draining = True
        return self._waiting.take_all()

    def decided(self, now: float, request: DialRequest) -> tuple[Verdict, float]:
        """Return the verdict about a request, and when it expires by it, on the scale of expiries."""
        verdict = self.guard.decide(self._expiry.at(now), request)
        expires_at = request.expires_at
        if verdict.closes_at is not None and verdict.closes_at < expires_at:
            expires_at = verdict.closes_at
            if expires_at <= self._expiry.cutoff(now):  # it would arrive too late: the next opening counts
                verdict = self.guard.decide(verdict.closes_at, request)
                expires_at = request.expires_at
        return verdict, expires_at

    def take_records(self) -> list[GuardRecord]:
        """Return the decisions since the last call."""
        return self._recording.take()

    # --- implementation ---------------------------------------------------------------------------------

    def _revoke_refused(self, now: float, calls: Iterable[Batch]) -> list[Batch]:
        """Revoke the calls with an entry that may not be sent now; return those.

        No earlier decision counts any more: an entry in no call is decided again at the latest when its call
        is formed.
        """
        self._generation += 1
        revoked = [call for call in calls if any(self._refuses(now, entry) for entry in call.entries)]
        for call in revoked:
            call.revoked = True
        return revoked

    def _refuses(self, now: float, entry: Entry) -> bool:
        """Whether an entry of a call may not be sent now, or only until an earlier closing time."""
        verdict, expires_at = self.decided(now, entry.request)
        return verdict.kind is not _ALLOWED or expires_at < entry.expires_at

    def _postpone(self, entries: list[Entry]) -> None:
        """Decide about new entries in slices."""
        move_all(entries, EntryState.DELAYED)
        self._slices.add(entries, self._counted(self._review_delayed))

    def _counted(self, review: Callable[[float, Entry], None]) -> Callable[[float, Entry], None]:
        """Return a review of an entry that spends units of the slice on look-ups of numbers, too."""

        def reviewed(now: float, entry: Entry) -> None:
            before = self.guard.number_look_ups
            review(now, entry)
            self._slices.left -= LOOK_UP_UNITS * (self.guard.number_look_ups - before)

        return reviewed

    def _is_permitted(self, now: float, entry: Entry) -> bool:
        """Decide about an entry that is in no queue; return whether it may be sent now."""
        request = entry.request
        verdict, entry.expires_at = self.decided(now, request)
        if verdict.kind is _ALLOWED:
            entry.verdict, entry.decided_in = verdict, self._generation
            return True
        entry.verdict, entry.decided_in = None, 0
        self._turn_away(now, entry, verdict)
        return False

    def _turn_away(self, now: float, entry: Entry, verdict: Verdict) -> None:
        """Let an entry wait for its opening if its expiration allows it, or answer it."""
        if verdict.may_wait(entry.request.expires_at - self._expiry.lead_s):
            if self.draining:
                self._outstanding.settle(now, entry, answers.given_up(entry, Reason.DRAINING))
                return
            move(entry, EntryState.DELAYED)
            self._waiting.add(entry, max(verdict.not_before or 0.0, self._expiry.at(now) + SHORTEST_S))
            self._recording.add(GuardDecision.WAITS, entry, verdict)
            return
        self._recording.add(GuardDecision.REFUSED, entry, verdict)
        retry_after_s = None
        if verdict.kind is _NOT_BEFORE and verdict.not_before is not None:
            retry_after_s = verdict.not_before - self._expiry.at(now)
        answer = answers.refused_by_rule(entry, verdict.reason, verdict.detail, retry_after_s)
        self._outstanding.settle(now, entry, answer)

    def _review_delayed(self, now: float, entry: Entry) -> None:
        if entry.state is not EntryState.DELAYED:  # it was answered meanwhile
            return
        move(entry, EntryState.UNQUEUED)
        if self._is_permitted(now, entry):
            self._scheduler.resume(now, entry)

    def _review_waiting(self, now: float, entry: Entry) -> None:
        if entry.state is not EntryState.WAITING:
            return
        verdict, expires_at = self.decided(now, entry.request)
        if verdict.kind is _ALLOWED and expires_at == entry.expires_at:
            entry.verdict, entry.decided_in = verdict, self._generation
            return
        self._scheduler.remove(entry)
        if self._is_permitted(now, entry):
            self._scheduler.resume(now, entry)
