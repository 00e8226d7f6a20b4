"""Verdicts: what the result of a call means for each of its dial requests.

A verdict says whether a request is settled, and with which answer, or goes back to its queue, and after
which delay.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core import answers, errors
from gateway.core.model import Answer, CallReport, Entry, ItemFailure, Outcome, Reason, RetryAdvice

RETRY_BASE_S, RETRY_LONGEST_S = 0.25, 5.0
"""Pauses in seconds after an item failure: random, up to a maximum that doubles from the first to the
second."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Back to the queue, after a delay in seconds; 0 for at once. `suspect`: not with others."""

    delay_s: float = 0.0
    suspect: bool = False


Verdict = Answer | Requeue
Decided = tuple[Entry, Answer]
Returned = tuple[Entry, Requeue]


@dataclass(frozen=True, slots=True)
class VerdictPolicy:
    """Decides what happens to each entry after a call; `max_attempts` limits the attempts that count."""

    max_attempts: int
    rng: random.Random

    def verdicts(self, entries: Sequence[Entry], report: CallReport) -> tuple[list[Decided], list[Returned]]:
        """Return the entries that a call has decided, with answers, and those that go back to their queues.

        Counts the attempts in the entries. Failures that concern the whole campaign are for `refusal_of`.
        """
        decided: list[Decided] = []
        back: list[Returned] = []
        accepted, attempts, trace_id = report.accepted, report.attempts, report.trace_id
        for entry in entries:
            entry.attempts += attempts
            id_ = accepted.get(entry.request.client_token)
            if id_ is not None:
                decided.append((entry, answers.accepted(id_, entry.attempts, trace_id)))
                continue
            verdict = self._not_accepted(entry, report, alone=len(entries) == 1)
            if isinstance(verdict, Answer):
                verdict.trace_id = trace_id
                decided.append((entry, verdict))
            else:
                back.append((entry, verdict))
        return decided, back

    def _not_accepted(self, entry: Entry, report: CallReport, *, alone: bool) -> Verdict:
        entry.in_doubt |= report.uncertain
        if report.failure is None:
            return self._of_item(
                entry, report.failed.get(entry.request.client_token), report.counted_attempts
            )
        return self._of_failure(entry, report, alone=alone)

    def _of_item(self, entry: Entry, failure: ItemFailure | None, counted_attempts: int) -> Verdict:
        if failure is ItemFailure.INVALID_INPUT:
            return _refused(entry, "Amazon Connect refuses this request as invalid")
        if failure in {ItemFailure.CAPACITY, ItemFailure.RATE}:
            entry.refusal = Reason.THROTTLED
            entry.counted_attempts += counted_attempts - 1  # the attempts before it: a throttle costs none
            return Requeue()
        if failure is None:  # the reply does not name this item, so Connect may have it
            entry.in_doubt = True
        return self._count_attempts(entry, counted_attempts, Reason.CONNECT_ERROR)

    def _of_failure(self, entry: Entry, report: CallReport, *, alone: bool) -> Verdict:
        match report.failure:
            case errors.RateThrottled():
                entry.refusal = Reason.THROTTLED
                entry.counted_attempts += report.counted_attempts
                return Requeue()
            case errors.CampaignNotRunning():
                entry.refusal = Reason.CAMPAIGN_NOT_RUNNING
                return Requeue()
            case errors.CallTooLate() | errors.CallRevoked():
                entry.counted_attempts += report.counted_attempts  # the attempts before it: this one was none
                return Requeue()
            case errors.AuthenticationFailed():
                entry.refusal = Reason.ACCESS_DENIED
                entry.counted_attempts += (
                    report.counted_attempts - 1
                )  # the attempts before it: the gateway is at fault
                return Requeue()
            case errors.ChannelNotCarried() if alone:
                return _refused(entry, "the API that the campaign has by now cannot carry its channel")
            case errors.CallInvalid() if alone:
                return _refused(entry, "Amazon Connect refuses a call of this request alone as invalid")
            case errors.CallInvalid():
                entry.refusal = Reason.INVALID_INPUT
                return Requeue(suspect=True)
            case errors.CallUnexpected():
                return answers.given_up(entry, Reason.CONNECT_ERROR)
            case errors.AnswerLost() | errors.ConnectUnreachable():
                return self._count_attempts(entry, report.counted_attempts, Reason.CONNECT_UNREACHABLE)
            case _:
                return self._count_attempts(entry, report.counted_attempts, Reason.CONNECT_ERROR)

    def _count_attempts(self, entry: Entry, counted_attempts: int, reason: Reason) -> Verdict:
        entry.counted_attempts += counted_attempts
        entry.refusal = reason
        if entry.counted_attempts >= self.max_attempts:
            return answers.given_up(entry, reason)
        longest_s = min(RETRY_LONGEST_S, RETRY_BASE_S * 2.0 ** min(entry.counted_attempts, 30))
        return Requeue(self.rng.uniform(0.0, longest_s))


def _refused(entry: Entry, detail: str) -> Answer:
    if entry.in_doubt:
        return answers.unknown(entry, Reason.INVALID_INPUT, detail)
    return Answer(Outcome.REJECTED, Reason.INVALID_INPUT, RetryAdvice.NEVER, detail, attempts=entry.attempts)
