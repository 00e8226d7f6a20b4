"""Statistics of campaigns: answers by outcome, rates, and the last action of an operator.

The memory is bounded: idle campaigns are forgotten after a while, and the longest idle one at once if there
are too many.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from gateway.core.campaign_id import problem_with_campaign
from gateway.core.campaigns.holds import OperatorAction
from gateway.core.model import Outcome, Settled

IDLE_S = 900.0
"""Seconds without an answer or an action after which a campaign is forgotten."""
RECORDS = 10_000
"""Campaigns that are remembered at once."""
RATE_OVER_S = 10.0
"""Seconds over which rates are averaged: an answer that is so long ago counts for a third."""


class CampaignStatistics:
    """What happened in one campaign since it was last forgotten.

    `counts` are answers by outcome, `touched_at` is the instant of the last of them.
    """

    __slots__ = ("_rate", "_rated_at", "action", "counts", "touched_at")

    def __init__(self, now: float) -> None:
        self.counts = dict.fromkeys(Outcome, 0)
        self.touched_at = now
        self.action: OperatorAction | None = None
        self._rate = 0.0
        self._rated_at = now

    def count(self, now: float, outcome: Outcome, number: int) -> None:
        """Count answers of one outcome."""
        self.counts[outcome] += number
        if outcome is Outcome.ACCEPTED:
            self._rate = self.rate(now) + number / RATE_OVER_S
            self._rated_at = now

    def rate(self, now: float) -> float:
        """Return the recent average of accepted dial requests a second."""
        return self._rate * math.exp((self._rated_at - now) / RATE_OVER_S)


class Statistics:
    """The records of campaigns, the most recently active at the end.

    `totals` count all answers since the start.

    `campaign_problem` returns the rule that a campaign id breaks; such an id has no record.
    """

    def __init__(
        self,
        limit: int = RECORDS,
        campaign_problem: Callable[[str], str | None] = problem_with_campaign,
    ) -> None:
        self._limit = limit
        self._campaign_problem = campaign_problem
        self._records: dict[str, CampaignStatistics] = {}
        self.totals = dict.fromkeys(Outcome, 0)

    def __len__(self) -> int:
        return len(self._records)

    def count(self, now: float, answers: Sequence[Settled]) -> None:
        """Count answers, including replayed ones."""
        counts: dict[tuple[str, Outcome], int] = {}
        campaign_id, outcome, number = "", Outcome.ACCEPTED, 0
        for _, next_id, _, answer in answers:
            # The answers of a call follow each other and are mostly alike: these are only added up.
            if answer.outcome is not outcome or next_id is not campaign_id:
                if number:
                    counts[campaign_id, outcome] = counts.get((campaign_id, outcome), 0) + number
                campaign_id, outcome, number = next_id, answer.outcome, 0
            number += 1
        if number:
            counts[campaign_id, outcome] = counts.get((campaign_id, outcome), 0) + number
        for (campaign_id, outcome), number in counts.items():
            self.totals[outcome] += number
            record = self._touch(now, campaign_id)
            if record is not None:
                record.count(now, outcome, number)

    def acted(self, campaign_id: str, action: OperatorAction) -> None:
        """Remember the last action of an operator on a campaign."""
        record = self._touch(action.at, campaign_id)
        if record is not None:
            record.action = action

    def records(self, now: float) -> Iterator[tuple[str, CampaignStatistics]]:
        """Yield all records, after those of idle campaigns are dropped."""
        while self._records:
            first = next(iter(self._records))
            if now - self._records[first].touched_at <= IDLE_S:
                break
            del self._records[first]
        yield from self._records.items()

    def record(self, campaign_id: str) -> CampaignStatistics | None:
        """Return the record of a campaign, if there is one."""
        return self._records.get(campaign_id)

    def _touch(self, now: float, campaign_id: str) -> CampaignStatistics | None:
        """Return a campaign's record, moved to the end; None for an id that no campaign can have."""
        record = self._records.pop(campaign_id, None)
        if record is None:
            if self._campaign_problem(campaign_id) is not None:
                return None
            record = CampaignStatistics(now)
            if len(self._records) >= self._limit:
                del self._records[next(iter(self._records))]
        self._records[campaign_id] = record
        record.touched_at = now
        return record
