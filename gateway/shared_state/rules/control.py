"""The rules of holds, purges, their record and reports, as the scripts apply them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.core.campaigns.holds import HOLD_LIMIT, TooManyHolds
from gateway.core.fleet.messages import ControlReply, ControlRequest, FleetAction, FleetActionKind
from gateway.shared_state.port import ActionTooLate

HISTORY = 500
"""Actions that the store remembers; a replica that has missed more reads the table of holds only."""
ANSWERED_KEPT_MS = 60_000
"""Milliseconds for which the counts of an action are kept after the last replica has reported one."""
SEEN_KEPT_MS = 900_000
"""Milliseconds after which a member that reports nothing is forgotten."""
SEEN_AGAIN_MS = 60_000
"""Milliseconds after which an unchanged version of a member is written again."""
ACT_WITHIN_MS = 2_000
"""Milliseconds within which an action must arrive. If a server that had hung carried out a later one, it
would surprise an operator who was told that it failed."""
LOOKING_MS = 3_000
"""Milliseconds for which replicas publish their reports after somebody has looked at a listing."""


@dataclass(slots=True)
class _Counts:
    members: dict[str, int] = field(default_factory=dict)
    until_ms: int = 0


@dataclass(slots=True)
class ControlRules:
    """Holds, the history of actions, and what each member has carried out. `now_ms` is the store's clock."""

    holds: dict[str, FleetAction] = field(default_factory=dict)
    history: dict[int, FleetAction] = field(default_factory=dict)
    version: int = 0
    born: int = 0
    trimmed: int = 0
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    counts: dict[int, _Counts] = field(default_factory=dict)
    looking_until_ms: int = 0
    published: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def exchange(self, now_ms: int, request: ControlRequest) -> ControlReply:
        """Take what a replica tells with its beat, and return the changes that it has not seen."""
        self._begin(now_ms)
        lost = any(map(self._has_lost, (request.seen, *request.recorded)))
        for hold in request.unrecorded:
            self._record_missing(now_ms, hold)
        self._note_seen(now_ms, request.member, 0 if lost else request.seen)
        for version, count in request.answered.items():
            self._note_answered(now_ms, version, request.member, count)
        if request.looking:
            self.looking_until_ms = now_ms + LOOKING_MS
        changed = lost or request.seen == 0 or self.version != request.seen
        known = request.seen > 0 and not lost
        return ControlReply(
            version=self.version,
            now_ms=now_ms,
            holds=tuple(self.holds.values()) if changed else None,
            actions=tuple(self._after(request.seen)) if known else (),
            lost=lost,
            looking=now_ms < self.looking_until_ms,
            seen={member: version for member, (version, _) in self.seen.items()} if request.asks else {},
            answered={version: self._answered(now_ms, version) for version in request.asks},
        )

    def act(self, now_ms: int, action: FleetAction) -> FleetAction | None:
        """Record an action; return it with its version and time, None for a release of no hold.

        Raises `TooManyHolds`, and `ActionTooLate`.
        """
        if action.at_ms and now_ms - action.at_ms > ACT_WITHIN_MS:
            raise ActionTooLate
        if action.kind is FleetActionKind.HOLD:
            if self._is_full(action.campaign_id):
                raise TooManyHolds
        elif action.kind is FleetActionKind.RELEASE and self.holds.pop(action.campaign_id, None) is None:
            return None
        self._forget_members(now_ms)
        return self._record(now_ms, replace(action, at_ms=now_ms))

    def publish(self, now_ms: int, member: str, report: bytes, keep_s: float) -> None:
        """Keep a member's report for `keep_s` seconds, and drop reports that are too old."""
        self.published = {name: kept for name, kept in self.published.items() if kept[0] > now_ms}
        self.published[member] = now_ms + round(keep_s * 1000), report

    def reports(self, now_ms: int) -> dict[str, bytes]:
        """Return the reports that are kept, by member."""
        return {name: report for name, (until_ms, report) in self.published.items() if until_ms > now_ms}

    # --- implementation -----------------------------------------------------------------------------

    def _has_lost(self, seen: int) -> bool:
        """Whether the store has lost a version that a replica knows.

        A version that was dropped from the history is not lost, unless it is older than all that is stored.
        """
        if seen in {0, self.born} or seen in self.history:
            return False
        return seen > self.trimmed or seen < self.born

    def _record_missing(self, now_ms: int, hold: FleetAction) -> None:
        """Record a hold that a replica keeps, unless the store has it, or has replaced a lost one."""
        stored = self.holds.get(hold.campaign_id)
        if stored is not None and (hold.version > 0 or _same(stored, hold)):
            return
        if not self._is_full(hold.campaign_id):
            self._record(now_ms, replace(hold, at_ms=min(hold.at_ms or now_ms, now_ms)))

    def _begin(self, now_ms: int) -> None:
        """Give a new store a version of its own, so that 0 means that a replica has read nothing."""
        if not self.version:
            self.version = self.born = now_ms

    def _record(self, now_ms: int, action: FleetAction) -> FleetAction:
        self._begin(now_ms)
        self.version = max(self.version + 1, now_ms)
        recorded = replace(action, version=self.version)
        if action.kind is FleetActionKind.HOLD:
            self.holds[action.campaign_id] = recorded
        self.history[self.version] = recorded
        while len(self.history) > HISTORY:
            self.trimmed = min(self.history)
            del self.history[self.trimmed]
        return recorded

    def _is_full(self, campaign_id: str) -> bool:
        return campaign_id not in self.holds and len(self.holds) >= HOLD_LIMIT

    def _after(self, version: int) -> Iterable[FleetAction]:
        return (self.history[number] for number in sorted(self.history) if number > version)

    def _note_seen(self, now_ms: int, member: str, version: int) -> None:
        before = self.seen.get(member)
        if before is None or before[0] != version or now_ms - before[1] >= SEEN_AGAIN_MS:
            self.seen[member] = version, now_ms

    def _forget_members(self, now_ms: int) -> None:
        self.seen = {name: at for name, at in self.seen.items() if now_ms - at[1] < SEEN_KEPT_MS}

    def _note_answered(self, now_ms: int, version: int, member: str, count: int) -> None:
        counts = self.counts.get(version)
        if counts is None or counts.until_ms <= now_ms:
            counts = self.counts[version] = _Counts()
        counts.members[member] = count
        counts.until_ms = now_ms + ANSWERED_KEPT_MS
        self.counts = {number: each for number, each in self.counts.items() if each.until_ms > now_ms}

    def _answered(self, now_ms: int, version: int) -> dict[str, int]:
        counts = self.counts.get(version)
        return dict(counts.members) if counts is not None and counts.until_ms > now_ms else {}


def _same(one: FleetAction, other: FleetAction) -> bool:
    """Whether two holds say the same, whenever they were recorded."""
    return (one.caller, one.reason, one.answering) == (other.caller, other.reason, other.answering)
