"""A limited number of the last failed calls is kept for the console."""

import logging

import pytest

from gateway.core.campaigns.condition import Condition, ConditionChange
from gateway.core.errors import AnswerLost
from gateway.core.model import Batch, CallReport, FlushReason
from gateway.dispatch.event_log import FAILURES_KEPT, ChangeLog, FailureLog


def test_the_last_failures_are_kept() -> None:
    """Each has its trace and the next number; the oldest are dropped."""
    log = FailureLog()
    for number in range(FAILURES_KEPT + 10):
        batch = Batch(number, "campaign-a", [], FlushReason.FULL, 0.0, 60.0, 5)
        report = CallReport(failure=AnswerLost(), attempts=3, trace_id=f"{number:032x}")
        log.note(float(number), batch, report)
    assert len(log.last) == FAILURES_KEPT
    assert [failed.number for failed in log.last] == list(range(11, FAILURES_KEPT + 11))
    newest = log.last[-1]
    assert (newest.campaign_id, newest.kind, newest.attempts) == ("campaign-a", "AnswerLost", 3)
    assert newest.trace_id == f"{FAILURES_KEPT + 9:032x}"
    assert newest.message.startswith("The call was sent and no answer came back")


@pytest.mark.parametrize("condition", [None, *Condition])
def test_what_another_replica_has_found_is_logged_at_debug(
    condition: Condition | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A change is then one line at INFO in the logs of a whole fleet."""
    caplog.set_level(logging.DEBUG)
    for elsewhere in (True, False):
        ChangeLog().note(ConditionChange("c", condition, "", elsewhere=elsewhere))
    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO]


def test_a_lower_rate_is_logged_only_if_connect_has_caused_it(caplog: pytest.LogCaptureFixture) -> None:
    """A replica that lives without the shared state has a lower rate, too."""
    caplog.set_level(logging.INFO)
    log = ChangeLog()
    for rate, is_cut in ((10.0, False), (3.3, False), (7.0, True), (8.0, True), (10.0, False)):
        log.note_rate(rate, 10.0, is_cut=is_cut)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
