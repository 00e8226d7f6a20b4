"""The rules of live suppressions, as the script `suppressions` applies them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.core.fleet.suppressions import (
    PAGE,
    Suppression,
    SuppressionsReply,
    SuppressionsRequest,
    TooManySuppressions,
)
from gateway.shared_state.port import ActionTooLate, KeyDiffers

LIMIT = 1_000_000
"""Suppressed numbers, at most."""
ENDED_KEPT = 10_000
"""Ends of suppressions that are kept; a replica that has missed more reads everything again."""
END_WITHIN_MS = 2_000
"""Milliseconds within which the end of a suppression must arrive. A later one would surprise an operator who
was told that it failed. A suppression may arrive at any time: it is in force where it was asked for."""
SEEN_KEPT_MS, SEEN_AGAIN_MS = 900_000, 60_000
"""Milliseconds after which a member that reports nothing is forgotten, and after which an unchanged version
of a member is written again."""


@dataclass(slots=True)
class SuppressionsRules:
    """Suppressions and the last ends by hash, and what each member has carried out."""

    table: dict[bytes, Suppression] = field(default_factory=dict)
    ended: dict[bytes, int] = field(default_factory=dict)
    version: int = 0
    trimmed: int = 0
    key: bytes = b""
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    limit: int = LIMIT
    ended_kept: int = ENDED_KEPT

    def newest(self) -> int:
        """Return the version of the newest suppression or end."""
        return self.version

    def exchange(self, now_ms: int, request: SuppressionsRequest) -> SuppressionsReply:
        """Take what a replica tells, and return what is newer than its cursor."""
        self._agree_on_key(request.key, knows=request.knows)
        if request.key and request.key == self.key:
            for offer in request.offers:
                self._record_missing(now_ms, offer)
        self._note_seen(now_ms, request.member, request.seen)
        newer = sorted(self._after(request.after), key=lambda one: one.version)
        page = tuple(newer[:PAGE])
        return SuppressionsReply(
            version=self.version,
            now_ms=now_ms,
            key=self.key,
            trimmed=self.trimmed,
            page=page,
            complete=len(page) < PAGE,
            seen={member: version for member, (version, _) in self.seen.items()} if request.asks else {},
        )

    def suppress(self, now_ms: int, action: Suppression) -> Suppression:
        """Record a suppression; return it, or the one that the number has.

        Raises `TooManySuppressions` and `KeyDiffers`.
        """
        self._compare_key(action)
        stored = self.table.get(action.number_hash)
        if stored is not None and not stored.ended:
            return stored
        if self._is_full():
            raise TooManySuppressions
        return self._record(now_ms, replace(action, at_ms=now_ms, ended=False, key=b""))

    def end(self, now_ms: int, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression; None if there is none.

        `known`: the replica knows a suppression that the store may lack. Raises `ActionTooLate` and
        `KeyDiffers`.
        """
        if action.at_ms and now_ms - action.at_ms > END_WITHIN_MS:
            raise ActionTooLate
        self._compare_key(action)
        stored = self.table.get(action.number_hash)
        if (stored is None or stored.ended) and not known:
            return None
        return self._record(now_ms, replace(action, at_ms=now_ms, ended=True, key=b""))

    # --- implementation -----------------------------------------------------------------------------

    def _agree_on_key(self, key: bytes, *, knows: bool) -> None:
        """Keep a replica's key if there is none, or if it knows suppressions and ours was never used."""
        is_unused = key != self.key and knows and not self.table
        if key and (not self.key or is_unused):
            self.key = key

    def _compare_key(self, action: Suppression) -> None:
        """Raise `KeyDiffers` if the hash of an action means nothing to other replicas."""
        if action.key:
            self._agree_on_key(action.key, knows=True)
            if self.key != action.key:
                raise KeyDiffers

    def _after(self, version: int) -> Iterable[Suppression]:
        return (one for one in self.table.values() if one.version > version)

    def _record_missing(self, now_ms: int, offer: Suppression) -> None:
        """Record an offered suppression, unless the number is suppressed, or a lost suppression has ended."""
        stored = self.table.get(offer.number_hash)
        if stored is not None and (not stored.ended or offer.version > 0):
            return
        if not self._is_full():
            at_ms = min(offer.at_ms or now_ms, now_ms)
            self._record(now_ms, replace(offer, at_ms=at_ms, ended=False, key=b""))

    def _record(self, now_ms: int, action: Suppression) -> Suppression:
        self.version = max(self.version + 1, now_ms)
        recorded = self.table[action.number_hash] = replace(action, version=self.version)
        self.ended.pop(action.number_hash, None)
        if action.ended:
            self.ended[action.number_hash] = self.version
        while len(self.ended) > self.ended_kept:
            oldest = min(self.ended, key=self.ended.__getitem__)
            self.trimmed = self.ended.pop(oldest)
            del self.table[oldest]
        return recorded

    def _is_full(self) -> bool:
        return len(self.table) - len(self.ended) >= self.limit

    def _note_seen(self, now_ms: int, member: str, version: int) -> None:
        before = self.seen.get(member)
        if before is None or before[0] != version or now_ms - before[1] >= SEEN_AGAIN_MS:
            self.seen = {name: at for name, at in self.seen.items() if now_ms - at[1] < SEEN_KEPT_MS}
            self.seen[member] = version, now_ms
