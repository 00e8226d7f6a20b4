"""Statistics of campaigns: answers by outcome, goodput, and the last action of an operator.

Goodput is what Amazon Connect accepts: a dial request counts once, when the call that carried it ends. Some
answers come from the memory of accepted tokens, or are shared by callers, so answers do not tell it.

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

    `counts` are answers by outcome, `touched_at` is the instant of the last event.
    """

    __slots__ = ("_rate", "_rated_at", "action", "counts", "touched_at")

    def __init__(self, now: float) -> None:
        self.counts = dict.fromkeys(Outcome, 0)
        self.touched_at = now
        self.action: OperatorAction | None = None
        self._rate = 0.0
        self._rated_at = now

    def accept(self, now: float, number: int) -> None:
        """Count dial requests that Amazon Connect accepted."""
        self._rate = self.rate(now) + number / RATE_OVER_S
        self._rated_at = now

    def rate(self, now: float) -> float:
        """Return the recent average of dial requests a second that Amazon Connect accepted."""
        return self._rate * math.exp((self._rated_at - now) / RATE_OVER_S)


class Statistics:
    """The records of campaigns, the most recently active at the end.

    `totals` count all answers since the start, `replayed` those from the memory of accepted tokens, and
    `accepted` the dial requests that Amazon Connect accepted.

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
        self.replayed = 0
        self.accepted = 0

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
            if answer.replayed:
                self.replayed += 1
        if number:
            counts[campaign_id, outcome] = counts.get((campaign_id, outcome), 0) + number
        for (campaign_id, outcome), number in counts.items():
            self.totals[outcome] += number
            record = self._touch(now, campaign_id)
            if record is not None:
                record.counts[outcome] += number

    def accept(self, now: float, campaign_id: str, number: int) -> None:
        """Count dial requests that Amazon Connect accepted in a call."""
        self.accepted += number
        record = self._touch(now, campaign_id)
        if record is not None:
            record.accept(now, number)

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
