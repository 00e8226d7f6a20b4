"""Records what the guard has decided about dial requests, as they are settled."""

from collections.abc import Sequence

from gateway.core.compliance.opening_wait import OpeningWait
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.entry_state import EntryState
from gateway.core.model import Answer, Entry, Outcome, Waiter

_new = tuple.__new__
_ACCEPTED, _IN_FLIGHT, _SENT = Outcome.ACCEPTED, EntryState.IN_FLIGHT, GuardDecision.ACCEPTED


class Recording:
    """The records since the last `take`. It is the `SettlementWatch` of the outstanding entries.

    Entries that leave are discarded from `waiting`.
    """

    def __init__(self, waiting: OpeningWait) -> None:
        self._waiting = waiting
        self._records: list[GuardRecord] = []

    def settled(self, answered: Sequence[tuple[Entry, Answer]]) -> None:
        """Record the entries that were sent, as they are settled."""
        records = self._records
        for entry, answer in answered:
            verdict, awaited_by = entry.verdict, entry.awaited_by
            if (
                answer.outcome is _ACCEPTED
                and entry.state is _IN_FLIGHT
                and isinstance(verdict, Verdict)
                and not verdict.observed
                and isinstance(awaited_by, Waiter)
                and not answer.replayed
            ):  # nearly always: the same as `_sent`, in half the time
                caller, trace_id = awaited_by.source.caller, answer.trace_id or awaited_by.trace_id
                id_ = answer.dial_request_id
                records.append(_new(GuardRecord, (_SENT, entry.request, caller, verdict, id_, trace_id)))
                continue
            if entry.state is not EntryState.IN_FLIGHT:
                self._waiting.discard(entry)
            if answer.outcome is Outcome.ACCEPTED:
                if not answer.replayed:
                    self._sent(entry, GuardDecision.ACCEPTED, answer)
            elif answer.outcome is Outcome.UNKNOWN and (
                entry.attempts or entry.state is EntryState.IN_FLIGHT
            ):
                self._sent(entry, GuardDecision.POSSIBLY_SENT, answer)

    def dropped(self, entry: Entry) -> None:
        """Forget an entry that nobody waits for any more."""
        self._waiting.discard(entry)

    def take(self) -> list[GuardRecord]:
        """Return the records since the last call."""
        taken, self._records = self._records, []
        return taken

    def add(
        self, decision: GuardDecision, entry: Entry, verdict: Verdict, answer: Answer | None = None
    ) -> None:
        """Record a decision about an entry, which has an `answer` if it was sent."""
        waiters = entry.waiters
        caller, trace_id = (waiters[0].source.caller, waiters[0].trace_id) if waiters else ("", "")
        id_ = "" if answer is None else answer.dial_request_id
        if answer is not None and answer.trace_id:
            trace_id = answer.trace_id
        self._records.append(GuardRecord(decision, entry.request, caller, verdict, id_, trace_id))

    def _sent(self, entry: Entry, decision: GuardDecision, answer: Answer) -> None:
        verdict = entry.verdict
        if not isinstance(verdict, Verdict):
            return
        self.add(decision, entry, verdict, answer)
        for observed in verdict.observed:
            if observed.kind is not VerdictKind.ALLOWED:
                self.add(GuardDecision.OBSERVED, entry, observed, answer)
