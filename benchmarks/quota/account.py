"""Reads the journal of the simulated Connect: the calls of a run by time."""

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.quota.offer import Start
from gateway.simulator import CallRecord, Simulator

RATE, BURST, FULL = 10.0, 10.0, 25
LATENCY_S = 0.05
THROTTLED = "ThrottlingException"
STEP_S = 0.05


class Seen:
    """The calls for dial requests, in seconds from the start of the run."""

    def __init__(self, simulator: Simulator, start: Start) -> None:
        self._start = start
        self._records = [record for record in simulator.connect.journal if record.at >= start.wall - 1]

    def calls(
        self, begin_s: float = 0.0, end_s: float = 1e9, campaign: str | None = None
    ) -> list[CallRecord]:
        """Return the calls that arrived between two times, of one campaign or of all."""
        return [
            record
            for record in self._records
            if begin_s <= self.at_s(record) < end_s and campaign in (None, record.campaign)
        ]

    def at_s(self, record: CallRecord) -> float:
        """Return when a call arrived."""
        return record.at - self._start.wall

    def first_s(self) -> float:
        """Return when the first call arrived."""
        return self.at_s(self._records[0])

    def throttled_share(self, begin_s: float = 0.0, end_s: float = 1e9) -> float:
        """Return the share of the calls that were over the quota."""
        calls = self.calls(begin_s, end_s)
        return sum(call.result == THROTTLED for call in calls) / max(1, len(calls))

    def accepted(self, begin_s: float = 0.0, end_s: float = 1e9, campaign: str | None = None) -> int:
        """Return how many dial requests Connect accepted."""
        return accepted(self.calls(begin_s, end_s, campaign))

    def shares(self, begin_s: float, end_s: float) -> Counter[str]:
        """Return how many dial requests Connect accepted for each campaign."""
        counts: Counter[str] = Counter()
        for call in self.calls(begin_s, end_s):
            counts[call.campaign or ""] += accepted([call])
        return counts

    def reached_s(
        self, rate: float, after_s: float, campaign: str | None = None, window_s: float = 1.0
    ) -> float:
        """Return the end of the first window after a time in which this many a second were accepted."""
        calls = self.calls(after_s, campaign=campaign)
        last_s = max((self.at_s(call) for call in calls), default=after_s)
        begin_s = after_s
        while begin_s <= last_s:
            inside = [call for call in calls if begin_s <= self.at_s(call) < begin_s + window_s]
            if accepted(inside) >= rate * window_s:
                return begin_s + window_s
            begin_s += STEP_S
        return float("inf")


def accepted(calls: Iterable[CallRecord]) -> int:
    """Return how many dial requests Connect accepted in these calls."""
    return sum(not item.replayed for call in calls for item in call.accepted)


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 if all values are equal, 1/n if one value has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0
