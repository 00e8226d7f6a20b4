"""The settlements that wait to be written to the shared state, and those of the last minute that were.

Both are bounded. A replica writes the latter again if the shared state may have lost them.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.core.fleet.messages import Settlement

SETTLEMENTS_AT_ONCE = 100
"""Settlements in one command at most: the shared state carries it out in well under a millisecond."""
BACKLOG_LIMIT, BACKLOG_BYTES = 100_000, 33_554_432
"""Settlements, and bytes of them, that wait for the shared state at most."""
SETTLEMENT_BYTES = 400
"""Memory of a settlement in addition to its texts, in bytes."""
RECENT_S, RECENT_LIMIT = 60.0, 20_000
"""Seconds for which written settlements are kept, to be written again, and how many at most."""

Addressed = tuple[str, Settlement]
"""A settlement with its campaign."""


class _Written(NamedTuple):
    at: float
    campaign_id: str
    settlement: Settlement


class Settlements:
    """The backlog, by campaign, at most `limit`; `lost` counts what a full backlog has dropped."""

    def __init__(self, limit: int = BACKLOG_LIMIT) -> None:
        self._limit = limit
        self._backlog: dict[str, deque[Settlement]] = {}
        self._recent: deque[_Written] = deque()
        self._bytes = 0
        self.waiting = 0
        self.lost = 0

    def __bool__(self) -> bool:
        """Whether any wait to be taken."""
        return bool(self._backlog)

    def add(self, settlements: Iterable[Addressed]) -> None:
        """Add settlements; beyond the limits the oldest of the first campaign are dropped."""
        for campaign_id, settlement in settlements:
            self._backlog.setdefault(campaign_id, deque()).append(settlement)
            self.waiting += 1
            self._bytes += _size(settlement)
        while self._backlog and (self.waiting > self._limit or self._bytes > BACKLOG_BYTES):
            campaign_id = next(iter(self._backlog))
            self._done([self._take(campaign_id)])
            self.lost += 1

    def take(self) -> tuple[str, list[Settlement]]:
        """Take the settlements of one command, all of one campaign; `written` or `put_back` must follow."""
        campaign_id, backlog = next(iter(self._backlog.items()))
        count = min(len(backlog), SETTLEMENTS_AT_ONCE)
        return campaign_id, [self._take(campaign_id) for _ in range(count)]

    def written(self, now: float, campaign_id: str, part: Sequence[Settlement]) -> None:
        """Note that the shared state has taken settlements."""
        self._done(part)
        self._recent += [_Written(now, campaign_id, one) for one in part if one.state is not None]
        while self._recent and (len(self._recent) > RECENT_LIMIT or self._recent[0].at < now - RECENT_S):
            self._recent.popleft()

    def put_back(self, campaign_id: str, part: Sequence[Settlement]) -> None:
        """Put settlements back before those that came meanwhile: a token's settlements keep their order."""
        self._backlog.setdefault(campaign_id, deque()).extendleft(reversed(part))

    def write_again(self, now: float) -> None:
        """Add all recent settlements once more."""
        recent, self._recent = self._recent, deque()
        self.add((one.campaign_id, one.settlement) for one in recent if one.at >= now - RECENT_S)

    def _take(self, campaign_id: str) -> Settlement:
        backlog = self._backlog[campaign_id]
        settlement = backlog.popleft()
        if not backlog:
            del self._backlog[campaign_id]
        return settlement

    def _done(self, part: Sequence[Settlement]) -> None:
        self.waiting -= len(part)
        self._bytes -= sum(map(_size, part))


def _size(settlement: Settlement) -> int:
    texts = len(settlement.client_token) + len(settlement.dial_request_id) + len(settlement.trace_id)
    return SETTLEMENT_BYTES + texts
