"""Logs changes of campaigns' conditions, changes of the call rate, and failed calls."""

import logging
from collections import Counter, deque
from typing import NamedTuple

from gateway.core.campaigns.condition import Condition, ConditionChange
from gateway.core.model import Batch, CallReport

log = logging.getLogger(__name__)

FAILURE_EVERY_S = 10.0
"""Seconds between two lines about failing calls of one kind."""
FAILURES_KEPT = 50
"""Failed calls that are kept for the console."""


class FailureRecord(NamedTuple):
    """A call that failed after its last attempt. `items` is the number of its dial requests."""

    number: int
    at: float
    campaign_id: str
    kind: str
    message: str
    items: int
    attempts: int
    trace_id: str


class ChangeLog:
    """Logs each change of a campaign's condition, and when the call rate is reduced and restored."""

    def __init__(self) -> None:
        self._rate_is_cut = False

    def note(self, change: ConditionChange) -> None:
        """Log the new condition of a campaign.

        Logged at DEBUG: probing, cooling after a probe, and what another replica of the fleet has found.
        """
        about: dict[str, object] = {"campaign": change.campaign_id}
        level = logging.DEBUG if change.elsewhere else logging.INFO
        if change.state:
            about["state"] = change.state
        if change.condition is None:
            log.log(level, "a campaign is kept no longer", extra=about)
        elif change.condition is Condition.PARKED:
            log.log(level, "a campaign is parked until it runs", extra=about)
        else:
            about["pause_s"] = round(change.pause_s, 1)
            level = logging.DEBUG if change.again else level
            log.log(level, "a campaign is %s", change.condition.value, extra=about)

    def note_rate(self, rate: float, ceiling: float, *, is_cut: bool) -> None:
        """Log that Connect's throttling has reduced the call rate, or that it is whole again."""
        if is_cut == self._rate_is_cut:
            return
        self._rate_is_cut = is_cut
        about = {"rate": round(rate, 2), "ceiling": ceiling}
        if is_cut:
            log.warning("Amazon Connect throttles calls: the rate is cut", extra=about)
        else:
            log.info("the rate of calls is whole again", extra=about)


class FailureLog:
    """Logs failed calls: the first of a kind at once, then one line every `FAILURE_EVERY_S` seconds.

    `last` are the last failed calls, for the console.
    """

    def __init__(self) -> None:
        self.last: deque[FailureRecord] = deque(maxlen=FAILURES_KEPT)
        self._number = 0
        self._logged_at: dict[str, float] = {}
        self._not_logged: Counter[str] = Counter()

    def note(self, now: float, batch: Batch, report: CallReport) -> None:
        """Log a failed call, or count it for the next line of its kind."""
        kind = type(report.failure).__name__
        message = str(report.failure) or (type(report.failure).__doc__ or "").partition("\n")[0]
        self._keep(now, batch, report, kind, message)
        if now < self._logged_at.get(kind, float("-inf")) + FAILURE_EVERY_S:
            self._not_logged[kind] += 1
            return
        self._logged_at[kind] = now
        log.warning(
            "a call to Amazon Connect failed: %s (%s)",
            kind,
            message,
            extra={
                "campaign": batch.campaign_id,
                "attempts": report.attempts,
                "trace_id": report.trace_id,
                "more_before": self._not_logged.pop(kind, 0),
            },
        )

    def _keep(self, now: float, batch: Batch, report: CallReport, kind: str, message: str) -> None:
        self._number += 1
        about = (batch.campaign_id, kind, message, len(batch.entries), report.attempts, report.trace_id)
        self.last.append(FailureRecord(self._number, now, *about))
