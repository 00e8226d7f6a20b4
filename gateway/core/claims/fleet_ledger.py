"""The ledger of the fleet, as one replica uses it: claims, settlements and look-ups of client tokens.

A replica claims the tokens of a call before it sends the call. Tokens that another replica has sent are
taken out of the call: they are answered, or wait until the result of that replica is known. After the call
the replica settles its claims. Meanwhile it looks up tokens that wait for a call: a known result needs none.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.core import answers
from gateway.core.claims.denials import SENT, Denials
from gateway.core.entry_state import EntryState, move
from gateway.core.fleet.fingerprints import Fingerprints, differ
from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement, TokenRecord, TokenState
from gateway.core.fleet.token_look_up import LOOK_UP_LIMIT, LookUpPurpose, TokenLookUp
from gateway.core.model import Answer, Batch, CallReport, Entry, Reason
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.settlement.completion import Completion
from gateway.core.tokens.outstanding import Outstanding

LOOK_UPS_AT_ONCE, ADMISSIONS_AT_ONCE = 4, 2
"""Look-ups under way at most: of all kinds, and those that may wait because a claim comes before the call."""
ADMISSION_S, ELSEWHERE_S = 0.2, 0.2
"""Seconds before new requests are looked up, since many leave sooner in a call, and between two look-ups of
tokens that another replica sends."""
NO_NEWS_S = 10.0
"""Seconds after which a token that another replica was sending is sent here, in doubt, if the fleet's ledger
cannot be asked."""
OWNED_S = 1.0
"""Seconds after a claim in which no other replica can take the token over (`RECENT_MS` of the ledger's rules
is more), so that a denial by Connect is certain."""
WORTH_A_LOOK_UP = 20
"""New requests of a campaign that are looked up together at least: the claim checks fewer of them."""
_SKIPPED_AT_ONCE = 2000
_CONFLICT = (
    "client_token: sent before, through another replica, with another phone number or other attributes"
)
_WAITING = frozenset({EntryState.WAITING, EntryState.DELAYED})
_UNSENT = CallReport(attempts=0)


@dataclass(slots=True)
class _ClaimedCall:
    """The fingerprints of the entries of a call, and when they were claimed; None if they were not."""

    fingerprints: dict[Entry, str]
    claimed_at: float | None = None


class FleetLedger:
    """The entries whose tokens are claimed, looked up, or sent by another replica.

    `member` is the name of this replica. The owner sets `fingerprints`, with the
    key of the fleet, before the first call.
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
        self.fingerprints = Fingerprints(b"")
        self.denials = Denials(outstanding)
        self._outstanding = outstanding
        self._scheduler = scheduler
        self._expiry = expiry
        self._completion = completion
        self._calls: dict[int, _ClaimedCall] = {}
        self._settlements: list[tuple[str, Settlement]] = []
        self._elsewhere: dict[Entry, float] = {}  # with the instant of the last news
        self._elsewhere_at: float | None = None
        self._admitted: dict[str, deque[Entry]] = {}  # by campaign
        self._admitted_at: float | None = None
        self._queued: deque[TokenLookUp] = deque()
        self._under_way = 0

    # --- claims and settlements ----------------------------------------------------------------------

    def claims(self, batch: Batch) -> list[Claim]:
        """Return the claims to make before a call is sent."""
        prints = {entry: self.fingerprints.of(entry.request) for entry in batch.entries}
        self._calls[batch.number] = _ClaimedCall(prints)
        return [
            Claim(one.request.client_token, fingerprint, batch.number) for one, fingerprint in prints.items()
        ]

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
        call = self._calls[batch.number]
        if verdicts is None:
            for entry in batch.entries:
                entry.in_doubt = True
            return self._sendable(now, batch, batch.entries)
        call.claimed_at = asked_at
        kept = []
        for entry, claimed in zip(batch.entries, verdicts, strict=True):
            if claimed.verdict in {ClaimVerdict.CLAIMED, ClaimVerdict.TAKEN_OVER}:
                entry.in_doubt |= claimed.verdict is ClaimVerdict.TAKEN_OVER
                kept.append(entry)
            else:
                self._leaves_call(now, batch, entry, claimed, sending=sending)
        return self._sendable(now, batch, kept)

    def begin_settling(self, now: float, batch: Batch) -> None:
        """Note that the result of a call is to be applied; its denials are certain if it was claimed."""
        call = self._calls.get(batch.number)
        if call is not None and call.claimed_at is not None and now - call.claimed_at < OWNED_S:
            self.denials.owned = call.fingerprints.keys()

    def settle(self, batch: Batch, report: CallReport) -> None:
        """Settle the claims of a call whose result has been applied."""
        self.denials.owned = ()
        call = self._calls.pop(batch.number, None)
        if call is not None:
            for entry in batch.entries:
                self._settle(batch, entry, call.fingerprints[entry], report)

    def take_settlements(self) -> list[tuple[str, Settlement]]:
        """Return the settlements to record, with their campaigns, and forget them."""
        taken, self._settlements = self._settlements, []
        return taken

    def abandon(self, unsent: Iterable[Batch], others: Iterable[Batch]) -> None:
        """Settle all claims, since the gateway leaves now; `others` may have been sent."""
        for batch in unsent:
            self.settle(batch, _UNSENT)
        for batch in others:
            self.settle(batch, CallReport())
        self.denials.closed = True

    def _settle(self, batch: Batch, entry: Entry, fingerprint: str, report: CallReport) -> None:
        token = entry.request.client_token
        dial_request_id = report.accepted.get(token)
        if dial_request_id is not None:
            settlement = Settlement(
                token, fingerprint, batch.number, TokenState.ACCEPTED, dial_request_id, report.trace_id
            )
        else:
            in_doubt = entry.in_doubt and (report.attempts or report.uncertain)
            state = TokenState.UNKNOWN if in_doubt else None  # the record keeps the doubt of others
            settlement = Settlement(token, fingerprint, batch.number, state)
        self._settlements.append((batch.campaign_id, settlement))

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
        expired_at = self._expiry.at(now)
        kept = []
        self.denials.owned = entries
        for entry in entries:
            if entry.waiters and entry.give_up_at > expired_at:
                kept.append(entry)
                continue
            self._settle(batch, entry, self._calls[batch.number].fingerprints[entry], _UNSENT)
            if entry.waiters:
                self._completion.expire(now, entry)
            else:
                self._outstanding.dropped += 1
                self._outstanding.drop(now, entry)
        self.denials.owned = ()
        return kept

    # --- look-ups --------------------------------------------------------------------------------------

    def admitted(self, now: float, entries: Sequence[Entry]) -> None:
        """Look up new entries, if they still wait for a call a little later."""
        if self._admitted_at is None:
            self._admitted_at = now + ADMISSION_S
        campaign_id = entries[0].request.campaign_id
        campaign = self._admitted.get(campaign_id)
        if campaign is None:
            campaign = self._admitted[campaign_id] = deque()
        campaign += entries

    def advance(self, now: float, limit: int) -> None:
        """Answer what has waited too long for the fleet's ledger."""
        self.denials.advance(now, limit)

    def take_look_ups(self, now: float) -> list[TokenLookUp]:
        """Return the look-ups to begin now. `found` must follow for each."""
        taken = []
        while self._under_way < LOOK_UPS_AT_ONCE and (look_up := self._next(now)) is not None:
            self._under_way += 1
            taken.append(look_up)
        return taken

    def found(self, now: float, look_up: TokenLookUp, records: Mapping[str, TokenRecord] | None) -> None:
        """Take the records of a look-up, None if the shared state did not answer."""
        self._under_way -= 1
        for entry in look_up.entries:
            record = None if records is None else records.get(entry.request.client_token)
            match look_up.purpose:
                case LookUpPurpose.DENIAL:
                    self._found_of_denial(now, entry, record, asked=records is not None)
                case LookUpPurpose.ELSEWHERE:
                    self._found_of_elsewhere(now, entry, record, asked=records is not None)
                case LookUpPurpose.ADMISSION:
                    self._found_of_waiting(now, entry, record)

    def deadline(self) -> float | None:
        """Return when `advance` or `take_look_ups` will next have something to do."""
        instants = [self.denials.deadline()]
        if self._under_way < LOOK_UPS_AT_ONCE:
            instants.append(self._elsewhere_at)
        if self._under_way < ADMISSIONS_AT_ONCE:
            instants.append(self._admitted_at)
        return min((instant for instant in instants if instant is not None), default=None)

    def _next(self, now: float) -> TokenLookUp | None:
        look_up = self.denials.next_look_up()
        if look_up is not None:
            return look_up
        if self._elsewhere_at is not None and self._elsewhere_at <= now and not self._queued:
            self._elsewhere_at = None
            self._queue_elsewhere()
        if self._queued:
            return self._queued.popleft()
        if (
            self._admitted_at is not None
            and self._admitted_at <= now
            and self._under_way < ADMISSIONS_AT_ONCE
        ):
            return self._next_admission()
        return None

    def _queue_elsewhere(self) -> None:
        """Queue look-ups of all tokens that other replicas send."""
        by_campaign: dict[str, list[Entry]] = {}
        for entry in list(self._elsewhere):
            if entry.state is EntryState.DELAYED:
                by_campaign.setdefault(entry.request.campaign_id, []).append(entry)
            else:
                del self._elsewhere[entry]
        for campaign_id, entries in by_campaign.items():
            for begin in range(0, len(entries), LOOK_UP_LIMIT):
                part = entries[begin : begin + LOOK_UP_LIMIT]
                self._queued.append(TokenLookUp(LookUpPurpose.ELSEWHERE, campaign_id, part))

    def _next_admission(self) -> TokenLookUp | None:
        """Return a look-up of new requests of the campaign that has waited longest, if enough still wait."""
        left = _SKIPPED_AT_ONCE
        while self._admitted and left > 0:
            campaign_id, entries = next(iter(self._admitted.items()))
            asked: list[Entry] = []
            while entries and len(asked) < LOOK_UP_LIMIT and left > 0:
                left -= 1
                entry = entries.popleft()
                if entry.state is EntryState.WAITING:
                    asked.append(entry)
            if not entries:
                del self._admitted[campaign_id]
            if len(asked) >= WORTH_A_LOOK_UP:
                return TokenLookUp(LookUpPurpose.ADMISSION, campaign_id, asked)
        if not self._admitted:
            self._admitted_at = None
        return None

    # --- what a look-up has found ----------------------------------------------------------------------

    def _found_of_denial(self, now: float, entry: Entry, record: TokenRecord | None, *, asked: bool) -> None:
        if not asked:
            self.denials.give_up(now, entry)
            return
        answer = self._known_answer(entry, record)
        if answer is not None:
            self.denials.replace(now, entry, answer)
        elif record is None or self._is_own(record):
            self.denials.confirm(now, entry)
        else:
            self.denials.give_up(now, entry, SENT)

    def _found_of_elsewhere(
        self, now: float, entry: Entry, record: TokenRecord | None, *, asked: bool
    ) -> None:
        last_news = self._elsewhere.get(entry)
        if last_news is None or entry.state is not EntryState.DELAYED:
            return
        answer = self._known_answer(entry, record)
        if answer is not None:
            del self._elsewhere[entry]
            self._scheduler.remove(entry)
            self._outstanding.settle(now, entry, answer)
        elif record is not None and record.alive and not self._is_own(record):
            self._wait_on(now, entry, now)
        elif not asked and now - last_news < NO_NEWS_S:
            self._wait_on(now, entry, last_news)
        else:
            del self._elsewhere[entry]
            entry.in_doubt |= not asked or record is not None
            self._send_here(now, entry)

    def _wait_on(self, now: float, entry: Entry, last_news: float) -> None:
        """Let an entry wait for the result of the replica that sends its token, until it expires."""
        if self._has_expired(now, entry):
            self._elsewhere.pop(entry, None)
            return
        self._elsewhere[entry] = last_news
        if self._elsewhere_at is None:
            self._elsewhere_at = now + ELSEWHERE_S

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
        expired = entry.give_up_at <= self._expiry.at(now)
        if expired:
            self._scheduler.remove(entry)
            self._completion.expire(now, entry)
        return expired

    def _found_of_waiting(self, now: float, entry: Entry, record: TokenRecord | None) -> None:
        if record is None or entry.state not in _WAITING or entry in self._elsewhere:
            return
        answer = self._known_answer(entry, record)
        if answer is not None:
            self._scheduler.remove(entry)
            self._outstanding.settle(now, entry, answer)
        elif not self._is_own(record):
            entry.in_doubt |= not record.alive or record.tainted

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
        return sending and record.member == self.member and not record.tainted


def _conflict(entry: Entry) -> Answer:
    if entry.in_doubt:
        return answers.unknown(entry, Reason.TOKEN_CONFLICT, _CONFLICT)
    return answers.rejected(Reason.TOKEN_CONFLICT, _CONFLICT)
