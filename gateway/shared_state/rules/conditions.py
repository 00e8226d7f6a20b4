"""The rules of the shared conditions of campaigns, as the script `conditions` applies them."""

from dataclasses import dataclass, field, replace

from gateway.core.fleet.messages import ConditionsReply, ConditionsRequest, SharedCondition

LIMIT = 500
"""Conditions that the store keeps; beyond these it drops the oldest."""
PAGE = 200
"""Conditions in one reply; the next request reads the others."""
KEPT_MS = 900_000
"""Milliseconds for which a condition is kept that nobody records again."""
GONE_MS = 2_000_000
"""Milliseconds without any record after which all conditions are gone."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A condition with its version, and its times on the store's clock."""

    version: int
    until_ms: int
    since_ms: int
    condition: SharedCondition


@dataclass(slots=True)
class ConditionsRules:
    """The conditions of campaigns by campaign. `now_ms` is the store's clock."""

    conditions: dict[str, _Stored] = field(default_factory=dict)
    version: int = 0
    recorded_ms: int = 0

    def newest(self, now_ms: int) -> int:
        """Return the version of the newest condition, 0 if there is none."""
        self._expire(now_ms)
        return self.version

    def exchange(self, now_ms: int, request: ConditionsRequest) -> ConditionsReply:
        """Record what a replica tells, and return what it has not read."""
        self._expire(now_ms)
        if request.puts:
            self._record_all(now_ms, request)
        unread = sorted(
            (one for one in self.conditions.values() if one.version > request.seen),
            key=lambda one: one.version,
        )[:PAGE]
        version = unread[-1].version if len(unread) == PAGE else self.version
        return ConditionsReply(version, tuple(_as_reported(now_ms, one) for one in unread))

    def _record_all(self, now_ms: int, request: ConditionsRequest) -> None:
        for put in request.puts:
            stored = self.conditions.pop(put.campaign_id, None)
            if stored is None or stored.version <= request.seen:
                self.version = max(self.version + 1, now_ms)
                stored = _Stored(self.version, now_ms + put.pause_ms, now_ms - put.age_ms, put)
            self.conditions[put.campaign_id] = stored
        kept = [one for one in self.conditions.values() if one.version > now_ms - KEPT_MS]
        newest = sorted(kept, key=lambda one: one.version)[-LIMIT:]
        self.conditions = {one.condition.campaign_id: one for one in newest}
        self.recorded_ms = now_ms

    def _expire(self, now_ms: int) -> None:
        if now_ms - self.recorded_ms >= GONE_MS:
            self.conditions, self.version = {}, 0


def _as_reported(now_ms: int, one: _Stored) -> SharedCondition:
    return replace(one.condition, pause_ms=one.until_ms - now_ms, age_ms=now_ms - one.since_ms)
