"""The ledger's rules in plain Python: what the scripts `claim`, `settle` and `look_up` do."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.core.fleet.fingerprints import differ
from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement, TokenRecord, TokenState
from gateway.shared_state.commands.ledger import is_alive


@dataclass(slots=True)
class Record:
    """What is stored of one client token. A value that no gateway wrote is UNKNOWN without a fingerprint."""

    state: TokenState
    fingerprint: str = ""
    in_doubt: bool = False
    at_ms: int = 0
    number: int = 0
    member: str = ""
    trace_id: str = ""
    dial_request_id: str = ""
    kept_until_ms: int = 0


@dataclass(slots=True)
class LedgerRules:
    """The records of all client tokens, by campaign and token; each is kept for `window_ms` at least."""

    window_ms: int = 1_200_000
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    fingerprint_key: bytes = b""
    doubt_until_ms: int = 0

    def claim(
        self, now_ms: int, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim tokens for one call of a member."""
        return [self._claim(now_ms, campaign_id, member, live, one) for one in claims]

    def settle(self, now_ms: int, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims of a member have ended."""
        for one in settlements:
            self._settle(now_ms, campaign_id, member, one)

    def look_up(
        self, now_ms: int, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> dict[str, TokenRecord]:
        """Return the records of those tokens that have one."""
        found = {}
        for token in tokens:
            record = self.record(now_ms, campaign_id, token)
            if record is not None:
                found[token] = _as_reported(now_ms, live, record)
        return found

    def keep_key(self, new: bytes) -> bytes:
        """Keep a new key of fingerprints if there is none; return the key that is kept."""
        self.fingerprint_key = self.fingerprint_key or new
        return self.fingerprint_key

    def doubt(self, now_ms: int, for_ms: int) -> None:
        """Note that tokens without a record may have been sent."""
        self.doubt_until_ms = max(self.doubt_until_ms, now_ms + for_ms)

    def in_doubt(self, now_ms: int) -> bool:
        """Whether tokens without a record may have been sent."""
        return now_ms < self.doubt_until_ms

    def record(self, now_ms: int, campaign_id: str, token: str) -> Record | None:
        """Return what is stored of a token now."""
        record = self.records.get((campaign_id, token))
        if record is not None and record.kept_until_ms <= now_ms:
            del self.records[campaign_id, token]
            return None
        return record

    def _claim(
        self, now_ms: int, campaign_id: str, member: str, live: Sequence[str], claim: Claim
    ) -> Claimed:
        record = self.record(now_ms, campaign_id, claim.client_token)
        in_doubt = False
        if record is not None:
            if record.fingerprint and differ(record.fingerprint, claim.fingerprint):
                return Claimed(ClaimVerdict.CONFLICT)
            if record.state is TokenState.ACCEPTED:
                return Claimed(ClaimVerdict.ACCEPTED, record.dial_request_id, record.trace_id)
            sending = record.state is TokenState.SENDING
            if sending and record.member == member:
                in_doubt = record.in_doubt
            elif sending and is_alive(now_ms, record.at_ms, known=record.member in live):
                return Claimed(ClaimVerdict.ELSEWHERE)
            else:
                in_doubt = True
        new = Record(TokenState.SENDING, claim.fingerprint, in_doubt, now_ms, claim.number, member)
        self._put(now_ms, campaign_id, claim.client_token, new)
        return Claimed(ClaimVerdict.TAKEN_OVER if in_doubt else ClaimVerdict.CLAIMED)

    def _settle(self, now_ms: int, campaign_id: str, member: str, end: Settlement) -> None:
        token = end.client_token
        record = self.record(now_ms, campaign_id, token)
        if record is not None and record.state is TokenState.ACCEPTED:
            return
        if end.state is TokenState.ACCEPTED:
            accepted = Record(TokenState.ACCEPTED, end.fingerprint)
            accepted.trace_id, accepted.dial_request_id = end.trace_id, end.dial_request_id
            self._put(now_ms, campaign_id, token, accepted)
            return
        sending = record if record is not None and record.state is TokenState.SENDING else None
        mine = sending is not None and (sending.member, sending.number) == (member, end.number)
        if end.state is TokenState.UNKNOWN and sending is not None and not mine:
            if not sending.in_doubt:  # a later claim: its end must not free the token
                self._put(now_ms, campaign_id, token, replace(sending, in_doubt=True))
        elif end.state is TokenState.UNKNOWN or (sending is not None and mine and sending.in_doubt):
            self._put(now_ms, campaign_id, token, Record(TokenState.UNKNOWN, end.fingerprint))
        elif mine:
            del self.records[campaign_id, token]

    def _put(self, now_ms: int, campaign_id: str, token: str, record: Record) -> None:
        before = self.records.get((campaign_id, token))
        record.kept_until_ms = max(now_ms + self.window_ms, before.kept_until_ms if before else 0)
        self.records[campaign_id, token] = record


def _as_reported(now_ms: int, live: Sequence[str], record: Record) -> TokenRecord:
    alive = record.state is TokenState.SENDING and is_alive(now_ms, record.at_ms, known=record.member in live)
    return TokenRecord(
        record.state,
        record.fingerprint,
        record.member,
        alive,
        record.in_doubt,
        record.dial_request_id,
        record.trace_id,
    )
