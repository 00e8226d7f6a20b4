"""What Connect's journal says about a run: calls by time, by replica, and dial requests that came twice."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.fleet.arms import FULL, RATE
from benchmarks.quota.account import THROTTLED, accepted
from gateway.simulator import CallRecord


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls for dial requests, in the order in which they arrived. Times are Unix seconds."""

    records: Sequence[CallRecord]

    def between(self, begin_at: float, end_at: float) -> "Calls":
        """Return the calls that arrived between two times."""
        return Calls([record for record in self.records if begin_at <= record.at < end_at])

    def of(self, campaign: str) -> "Calls":
        """Return the calls for a campaign."""
        return Calls([record for record in self.records if record.campaign == campaign])

    def used(self, begin_at: float, seconds: float) -> float:
        """Return the share of the quota that was used: dial requests accepted, of those in full calls."""
        calls = self.between(begin_at, begin_at + seconds)
        return accepted(calls.records) / (seconds * RATE * FULL)

    def throttled_share(self) -> float:
        """Return the share of the calls that were answered 429."""
        return self.throttled() / max(1, len(self.records))

    def throttled(self) -> int:
        """Return how many calls were answered 429."""
        return sum(record.result == THROTTLED for record in self.records)

    def by_replica(self) -> Mapping[str, int]:
        """Return how many calls each gateway made."""
        return Counter(record.access_key for record in self.records)

    def by_campaign(self) -> Mapping[str, int]:
        """Return how many dial requests were accepted for each campaign."""
        counts: Counter[str] = Counter()
        for record in self.records:
            counts[record.campaign or ""] += accepted([record])
        return counts

    def items(self) -> int:
        """Return how many dial requests were sent to Connect, counted once for each time."""
        return sum(record.items for record in self.records)

    def twice(self) -> int:
        """Return how many client tokens were sent more often than once."""
        counts = Counter((record.campaign, token) for record in self.records for token in record.tokens)
        return sum(count > 1 for count in counts.values())

    def first_at(self, tokens: Iterable[str]) -> float:
        """Return when the first call with one of these tokens arrived; infinite if none did."""
        wanted = frozenset(tokens)
        return min(
            (record.at for record in self.records if not wanted.isdisjoint(record.tokens)),
            default=float("inf"),
        )
