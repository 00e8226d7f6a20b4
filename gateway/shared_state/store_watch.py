"""Notices that the store is not the one that this replica knows: it was flushed, replaced or promoted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.core.fleet.contacts import Counts
from gateway.core.fleet.messages import Claimed, ClaimVerdict, TokenRecord, TokenState
from gateway.shared_state.port import SharedStateChanged

LONGEST_S = 1e12


def whole_ms(seconds: float) -> int:
    """Return seconds, which may be infinite, in whole milliseconds."""
    return round(min(seconds, LONGEST_S) * 1000)


class Marks(NamedTuple):
    """What a reply of the ledger tells of the store.

    `key` is the fingerprint key that it keeps, b"" if none, `history` the id of its replication history.
    `in_doubt`: tokens without a record may have been sent, as a replica has found out.
    """

    key: bytes
    history: str
    in_doubt: bool


class StoreWatch:
    """Compares the marks of each reply with those that this replica knows.

    `counted_ms` is when this replica has counted contacts last, by the store's clock; 0 if never.
    """

    def __init__(self) -> None:
        self.counted_ms = 0
        self._key = b""
        self._history = ""

    def know(self, key: bytes) -> None:
        """Note the key that the store keeps; its history is that of the next reply."""
        self._key, self._history = key, ""

    def check(self, marks: Marks) -> None:
        """Raise `SharedStateChanged` if the store may have lost records since `know`."""
        if not self._key:
            return
        if marks.key != self._key:
            raise SharedStateChanged("the shared state has lost its records")
        if self._history and marks.history != self._history:
            raise SharedStateChanged("another server of the shared state has taken over")
        self._history = marks.history

    def with_counts(self, verdicts: Sequence[Claimed], counts: Counts) -> list[Claimed]:
        """Return verdicts on claims with what was counted for them.

        Raises `SharedStateChanged` if the store has lost contacts of this replica.
        """
        if counts.contacts is None:
            raise SharedStateChanged("the shared state has lost contacts")
        self.counted_ms = max(self.counted_ms, counts.at_ms)
        pairs = zip(verdicts, counts.contacts, strict=True)
        return [replace(verdict, count=count) for verdict, count in pairs]


def claimed_in_doubt(verdicts: Sequence[Claimed], marks: Marks) -> list[Claimed]:
    """Return the verdicts, where tokens without a record count as taken over if the store is in doubt."""
    if not marks.in_doubt:
        return list(verdicts)
    doubtful = ClaimVerdict.TAKEN_OVER
    return [
        replace(one, verdict=doubtful) if one.verdict is ClaimVerdict.CLAIMED else one for one in verdicts
    ]


def found_in_doubt(
    records: Mapping[str, TokenRecord], tokens: Sequence[str], marks: Marks
) -> Mapping[str, TokenRecord]:
    """Return the records, where tokens without one count as unknown if the store is in doubt."""
    if not marks.in_doubt:
        return records
    unknown = TokenRecord(TokenState.UNKNOWN, "")
    return {token: records.get(token, unknown) for token in tokens}
