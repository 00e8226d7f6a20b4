"""The ledger of the fleet, as one replica uses it: claims, settlements and look-ups of client tokens.

A replica claims the tokens of a call before it sends the call. Tokens that another replica has sent are taken
out of the call: they are answered, or wait until the result of that replica is known. After the call the
replica settles its claims. Meanwhile it looks up the tokens of waiting requests: a request whose result is
known needs no call.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from gateway.core import answers
from gateway.core.claims.claimed_calls import UNSENT, ClaimedCalls
from gateway.core.claims.denials import RECORDS_LOST, SENT, Denials
from gateway.core.claims.doubts import SILENT_S
from gateway.core.claims.limited_calls import LimitedCalls
from gateway.core.claims.look_up_queue import LookUpQueue
from gateway.core.entry_state import EntryState, move
from gateway.core.fleet.fingerprints import Fingerprints, differ
from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement, TokenRecord, TokenState
from gateway.core.fleet.token_look_up import LookUpPurpose, TokenLookUp
from gateway.core.instants import earliest
from gateway.core.model import Answer, Batch, CallReport, Entry, Reason
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.settlement.completion import Completion
from gateway.core.tokens.outstanding import Outstanding

UNCLAIMED_AFTER_S, AGAIN_S = 2.25, 0.25
"""Calls of a campaign are sent without claims, in doubt, so many seconds after the last answer of the shared
state or the first failed claim of the campaign. Until then their requests wait, `AGAIN_S` at a time. By then
the other replicas regard this one as lost, and do not rely on its claims."""
FAILING_LIMIT = 1000
"""The most campaigns for which the time of the first failed claim is kept."""
NO_NEWS_S = 10.0
"""Seconds after which a token that another replica was sending is sent here, in doubt, if the fleet's ledger
cannot be asked."""
_CONFLICT = (
    "client_token: sent before, through another replica, with another number, other attributes or channel"
)
_WAITING = frozenset({EntryState.WAITING, EntryState.DELAYED})


class FleetLedger:
    """The entries whose tokens are claimed, looked up, or sent by another replica.

    `member` is the name of this replica. The owner sets `fingerprints`, with the key of the fleet, before the
    first call. `denials` is for `Outstanding.denial_review`, `admitted` for `Admission`.
    """

    def __init__(
        self,
        member: str,
        outstanding: Outstanding,
        scheduler: Scheduler,
        expiry: ExpiryScale,
        completion: Completion,
    ) -> None:
        self.member = member
        self._outstanding = outstanding
        self._scheduler = scheduler
        self._expiry = expiry
        self._completion = completion
        self._calls = ClaimedCalls()
        self.denials = Denials(outstanding)
        self._queue = LookUpQueue(self.denials)
        self.admitted = self._queue.admitted
        self._doubt_until = -math.inf
        self._claimed_at = -math.inf
        self._beat_at: float | None = None
        self._failing_since: dict[str, float] = {}  # by campaign: each may be in another part of a cluster
        self._limited = LimitedCalls(self._calls, self.denials, scheduler, completion)

    @property
    def kept_count(self) -> int:
        """How many calls and entries are kept here; 0 soon after the last answer, or memory would leak."""
        return len(self._calls) + len(self.denials) + len(self._queue)

    @property
    def fingerprints(self) -> Fingerprints:
        """The fingerprints of this fleet."""
        return self._calls.fingerprints

    @fingerprints.setter
    def fingerprints(self, fingerprints: Fingerprints) -> None:
        self._calls.fingerprints = fingerprints

    @property
    def has_limits(self) -> bool:
        """Whether any campaign has contact limits now."""
        return self._limited.any

    @property
    def contacts_known_from(self) -> float:
        """The instant from which on the shared state has all contacts that replicas have counted."""
        return self._limited.known_from

    @contacts_known_from.setter
    def contacts_known_from(self, instant: float) -> None:
        self._limited.known_from = instant

    def doubt(self, now: float, until: float) -> None:
        """Count tokens without a record as in doubt until an instant: the shared state has lost records.

        The claims of calls in flight may be lost as well, so that these calls prove nothing any more.
        """
        self._doubt_until = until
        self._calls.doubt()

    def beat_answered(self, now: float) -> None:
        """Note that the shared state has answered a beat."""
        self._beat_at = now

    def _in_doubt(self, now: float) -> bool:
        """Whether tokens without a record may have been sent."""
        silent = self._beat_at is not None and now - self._beat_at > SILENT_S
        return silent or now < self._doubt_until

    # --- claims and settlements ----------------------------------------------------------------------

    def claims(self, batch: Batch) -> list[Claim]:
        """Return the claims to make before a call is sent."""
        return self._calls.claims(batch, self._limited.contacts_of(batch))

    def claimed(
        self,
        now: float,
        batch: Batch,
        asked_at: float,
        verdicts: Sequence[Claimed] | None,
        *,
        sending: bool,
    ) -> list[Entry]:
        """Take the verdicts on the claims of a call, None if the shared state did not answer.

        Return the entries that the call may carry; the others have left it. `asked_at` is when the claims
        were sent. Without `sending`, nothing waits for another call.
        """
        if verdicts is None:
            return self._sendable(now, batch, self._unclaimed(now, batch, sending=sending))
        self._calls.note_claimed(batch, asked_at)
        self._claimed_at = now
        self._failing_since.pop(batch.campaign_id, None)
        limited, kept = self._calls.limited(batch), []
        for entry, claimed in zip(batch.entries, verdicts, strict=True):
            if claimed.verdict in {ClaimVerdict.CLAIMED, ClaimVerdict.TAKEN_OVER}:
                entry.in_doubt |= claimed.verdict is ClaimVerdict.TAKEN_OVER or self._in_doubt(asked_at)
                if entry not in limited or self._limited.has_room(
                    now, batch, entry, asked_at, claimed.count, sending=sending
                ):
                    kept.append(entry)
                continue
            if entry in limited:
                self._calls.settle_one(batch, entry, UNSENT)
            self._leaves_call(now, batch, entry, claimed, sending=sending)
        return self._sendable(now, batch, kept)

    def begin_settling(self, now: float, batch: Batch) -> None:
        """Note that the result of a call is to be applied; its denials are certain if it was claimed."""
        self.denials.owned = self._calls.owned(now, batch)

    def settle(self, batch: Batch, report: CallReport) -> None:
        """Settle the claims of a call whose result has been applied."""
        self.denials.owned = ()
        self._calls.settle(batch, report)

    def take_settlements(self) -> list[tuple[str, Settlement]]:
        """Return the settlements to record, with their campaigns, and forget them."""
        return self._calls.take_settlements()

    def abandon(self, unsent: Iterable[Batch], others: Iterable[Batch]) -> None:
        """Settle all claims, since the gateway shuts down; `others` may have been sent."""
        self._calls.abandon(unsent, others)
        self.denials.closed = True

    def _unclaimed(self, now: float, batch: Batch, *, sending: bool) -> list[Entry]:
        """Return the entries that are sent without a claim; the others wait a little for the shared state.

        Without it nobody knows whether contact limits have room: entries with limits wait until it answers.
        """
        limited = self._calls.limited(batch)
        for entry in limited:
            self._limited.leave(now, batch, entry, sending=sending)
        entries = [entry for entry in batch.entries if entry not in limited] if limited else batch.entries
        since = self._failing_since.setdefault(batch.campaign_id, now)
        if len(self._failing_since) > FAILING_LIMIT:
            del self._failing_since[next(iter(self._failing_since))]
        answered_at = max(self._claimed_at, -math.inf if self._beat_at is None else self._beat_at)
        if now - min(since, answered_at) >= UNCLAIMED_AFTER_S:
            for entry in entries:
                entry.in_doubt = True
            return entries
        for entry in entries:
            self._calls.settle_one(batch, entry, UNSENT)  # the claim may have been carried out
            if self._completion.goes_on(now, batch, entry, sending=sending):
                self._scheduler.delay(entry, now + AGAIN_S)
        return []

    def _leaves_call(
        self, now: float, batch: Batch, entry: Entry, claimed: Claimed, *, sending: bool
    ) -> None:
        """Take an entry out of its call, since this replica must not send it."""
        match claimed.verdict:
            case ClaimVerdict.ELSEWHERE:
                if self._completion.goes_on(now, batch, entry, sending=sending):
                    move(entry, EntryState.DELAYED)
                    self._wait_on(now, entry, now)
            case ClaimVerdict.ACCEPTED:
                answer = answers.replayed(claimed.dial_request_id, claimed.trace_id)
                self._outstanding.settle(now, entry, answer)
            case _:
                self._outstanding.settle(now, entry, _conflict(entry))

    def _sendable(self, now: float, batch: Batch, entries: list[Entry]) -> list[Entry]:
        """Return the entries that still have waiters and time; the others are dropped or have expired."""
        expired_at = self._expiry.cutoff(now)
        kept = []
        self.denials.owned = entries
        for entry in entries:
            if entry.waiters and entry.expires_at > expired_at:
                kept.append(entry)
                continue
            self._calls.settle_one(batch, entry, UNSENT)
            if entry.waiters:
                self._completion.expire(now, entry)
            else:
                self._outstanding.dropped += 1
                self._outstanding.drop(now, entry)
        self.denials.owned = ()
        return kept

    # --- look-ups --------------------------------------------------------------------------------------

    def advance(self, now: float, limit: int) -> None:
        """Answer what has waited too long for the fleet's ledger."""
        self.denials.advance(now, limit)

    def take_look_ups(self, now: float) -> list[TokenLookUp]:
        """Return the look-ups to begin now. `found` must follow for each."""
        return self._queue.take(now)

    def deadline(self) -> float | None:
        """Return when `advance` or `take_look_ups` will next have something to do."""
        return earliest(self.denials.deadline(), self._queue.deadline())

    def found(self, now: float, look_up: TokenLookUp, records: Mapping[str, TokenRecord] | None) -> None:
        """Take the records of a look-up, None if the shared state did not answer."""
        self._queue.ended()
        asked = records is not None
        for entry in look_up.entries:
            record = None if records is None else records.get(entry.request.client_token)
            match look_up.purpose:
                case LookUpPurpose.DENIAL:
                    self._found_of_denial(now, entry, record, asked=asked)
                case LookUpPurpose.ELSEWHERE:
                    self._found_of_elsewhere(now, entry, record, asked=asked)
                case LookUpPurpose.ADMISSION:
                    self._found_of_waiting(now, entry, record)

    # --- what a look-up has found ----------------------------------------------------------------------

    def _found_of_denial(self, now: float, entry: Entry, record: TokenRecord | None, *, asked: bool) -> None:
        if not asked:
            self.denials.give_up(now, entry)
            return
        answer = self._known_answer(entry, record)
        if answer is not None:
            self.denials.replace(now, entry, answer)
        elif record is None and self._in_doubt(now):
            self.denials.give_up(now, entry, RECORDS_LOST)
        elif record is None or self._is_own(record):
            self.denials.confirm(now, entry)
        else:
            self.denials.give_up(now, entry, SENT)

    def _found_of_elsewhere(
        self, now: float, entry: Entry, record: TokenRecord | None, *, asked: bool
    ) -> None:
        last_news = self._queue.elsewhere.get(entry)
        if last_news is None or entry.state is not EntryState.DELAYED:
            return
        answer = self._known_answer(entry, record)
        if answer is not None:
            del self._queue.elsewhere[entry]
            self._scheduler.remove(entry)
            self._outstanding.settle(now, entry, answer)
        elif record is not None and record.alive and not self._is_own(record):
            self._wait_on(now, entry, now)
        elif not asked and now - last_news < NO_NEWS_S:
            self._wait_on(now, entry, last_news)
        else:
            del self._queue.elsewhere[entry]
            entry.in_doubt |= not asked or record is not None or self._in_doubt(now)
            self._send_here(now, entry)

    def _wait_on(self, now: float, entry: Entry, last_news: float) -> None:
        """Let an entry wait for the result of the replica that sends its token, until it expires."""
        if self._has_expired(now, entry):
            self._queue.elsewhere.pop(entry, None)
            return
        self._queue.wait_elsewhere(now, entry, last_news)

    def _send_here(self, now: float, entry: Entry) -> None:
        """Let an entry wait for a call of this replica."""
        if self._has_expired(now, entry):
            return
        if entry.suspect:
            self._scheduler.push_suspects(now, [entry])
        else:
            self._scheduler.push(now, (entry,))

    def _has_expired(self, now: float, entry: Entry) -> bool:
        """Settle an entry that is in no call if its time has passed; return whether it has."""
        expired = entry.expires_at <= self._expiry.cutoff(now)
        if expired:
            self._scheduler.remove(entry)
            self._completion.expire(now, entry)
        return expired

    def _found_of_waiting(self, now: float, entry: Entry, record: TokenRecord | None) -> None:
        if record is None or entry.state not in _WAITING or entry in self._queue.elsewhere:
            return
        answer = self._known_answer(entry, record)
        if answer is not None:
            self._scheduler.remove(entry)
            self._outstanding.settle(now, entry, answer)
        elif not self._is_own(record):
            entry.in_doubt |= not record.alive or record.in_doubt

    def _known_answer(self, entry: Entry, record: TokenRecord | None) -> Answer | None:
        """Return the answer that a record gives: a replay or a conflict."""
        if record is None:
            return None
        if record.fingerprint and differ(record.fingerprint, self.fingerprints.of(entry.request)):
            return _conflict(entry)
        if record.state is TokenState.ACCEPTED:
            return answers.replayed(record.dial_request_id, record.trace_id)
        return None

    def _is_own(self, record: TokenRecord) -> bool:
        """Whether a record says nothing new: this replica claimed the token, and knows the rest itself."""
        sending = record.state is TokenState.SENDING
        return sending and record.member == self.member and not record.in_doubt


def _conflict(entry: Entry) -> Answer:
    if entry.in_doubt:
        return answers.unknown(entry, Reason.TOKEN_CONFLICT, _CONFLICT)
    return answers.rejected(Reason.TOKEN_CONFLICT, _CONFLICT)
