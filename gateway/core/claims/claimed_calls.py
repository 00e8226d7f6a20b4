"""The calls whose tokens this replica has claimed, and the settlements of these claims."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gateway.core.fleet.contacts import Contact
from gateway.core.fleet.fingerprints import Fingerprints
from gateway.core.fleet.messages import Claim, Settlement, TokenState
from gateway.core.model import Batch, CallReport, Entry

OWNED_S = 1.0
"""Seconds after a claim in which no other replica can take the token over (`RECENT_MS` of the ledger's rules
is more), so that a denial by Connect is certain."""
UNSENT = CallReport(attempts=0)


@dataclass(slots=True)
class _ClaimedCall:
    """The fingerprints and contacts of the entries of a call.

    `claimed_at` is None if it is not known whether the claims were recorded. `contacts` are those of the
    entries that count under contact limits.
    """

    fingerprints: dict[Entry, str]
    contacts: dict[Entry, Contact]
    claimed_at: float | None = None


_NO_CONTACTS: dict[Entry, Contact] = {}


class ClaimedCalls:
    """The calls in flight, by number. `fingerprints` makes those of this fleet."""

    def __init__(self) -> None:
        self.fingerprints = Fingerprints(b"")
        self._calls: dict[int, _ClaimedCall] = {}
        self._settlements: list[tuple[str, Settlement]] = []

    def __len__(self) -> int:
        return len(self._calls)

    def claims(self, batch: Batch, contacts: Sequence[Contact | None] | None = None) -> list[Claim]:
        """Return the claims to make before a call is sent.

        `contacts` are those of its entries, in order, None for those without contact limits.
        """
        prints = {entry: self.fingerprints.of(entry.request) for entry in batch.entries}
        if contacts is None:
            self._calls[batch.number] = _ClaimedCall(prints, _NO_CONTACTS)
            return [Claim(entry.request.client_token, one, batch.number) for entry, one in prints.items()]
        pairs = zip(batch.entries, contacts, strict=True)
        limited = {entry: contact for entry, contact in pairs if contact is not None}
        self._calls[batch.number] = _ClaimedCall(prints, limited)
        return [
            Claim(entry.request.client_token, one, batch.number, limited.get(entry), entry.in_doubt)
            for entry, one in prints.items()
        ]

    def limited(self, batch: Batch) -> Collection[Entry]:
        """Return the entries of a call that count under contact limits."""
        return self._calls[batch.number].contacts

    def note_claimed(self, batch: Batch, at: float) -> None:
        """Note that the shared state has carried out the claims of a call after `at`."""
        self._calls[batch.number].claimed_at = at

    def doubt(self) -> None:
        """Note that the claims made so far may be lost."""
        for call in self._calls.values():
            call.claimed_at = None

    def owned(self, now: float, batch: Batch) -> Collection[Entry]:
        """Return the entries of a call that no other replica can have sent since they were claimed."""
        call = self._calls.get(batch.number)
        if call is None or call.claimed_at is None or now - call.claimed_at >= OWNED_S:
            return ()
        return set(batch.entries)

    def settle(self, batch: Batch, report: CallReport) -> None:
        """Settle the claims of a call whose result has been applied."""
        call = self._calls.get(batch.number)
        if call is not None:
            for entry in batch.entries:
                self.settle_one(batch, entry, report)
            del self._calls[batch.number]

    def settle_one(self, batch: Batch, entry: Entry, report: CallReport) -> None:
        """Settle the claim of one entry of a call.

        Its contact is withdrawn if Connect certainly does not have the request.
        """
        token = entry.request.client_token
        call = self._calls[batch.number]
        fingerprint = call.fingerprints[entry]
        id_ = report.accepted.get(token)
        if id_ is not None:
            accepted = TokenState.ACCEPTED
            settlement = Settlement(token, fingerprint, batch.number, accepted, id_, report.trace_id)
        else:
            in_doubt = entry.in_doubt and (report.attempts or report.uncertain)
            state = TokenState.UNKNOWN if in_doubt else None  # the record keeps the doubt of others
            withdrawn = call.contacts.get(entry) if state is None else None
            settlement = Settlement(token, fingerprint, batch.number, state, withdrawn=withdrawn)
        self._settlements.append((batch.campaign_id, settlement))

    def take_settlements(self) -> list[tuple[str, Settlement]]:
        """Return the settlements to record, with their campaigns, and forget them."""
        taken, self._settlements = self._settlements, []
        return taken

    def abandon(self, unsent: Iterable[Batch], others: Iterable[Batch]) -> None:
        """Settle all claims, since the gateway shuts down; `others` may have been sent."""
        for batch in unsent:
            self.settle(batch, UNSENT)
        for batch in others:
            self.settle(batch, CallReport())
