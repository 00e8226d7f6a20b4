"""Rules of the state machine: what Amazon Connect answers."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.core import errors
from gateway.core.model import CallReport, ItemFailure
from tests.unit.core.engine_machine.base import BaseMachine, numbers

FATES: list[ItemFailure | str] = ["accepted", "accepted", "missing", "both", *ItemFailure]
FAILURES: list[errors.CallFailure] = [
    errors.RateThrottled(),
    errors.RateThrottled(),
    errors.CallInvalid(),
    errors.CampaignNotFound(),
    *(
        errors.CampaignNotRunning(state)
        for state in ("Paused", "Initialized", "Sleeping", "Stopped", "Completed")
    ),
    errors.AccessDenied(),
    errors.CampaignInvalid(),
    errors.CredentialsExpired(),
    errors.ClockSkewed(),
    errors.CallConflict(),
    errors.ConnectFailed(),
    errors.AnswerLost(),
    errors.ConnectUnreachable(),
    errors.CallUnexpected(),
]
STATES = ["Running", "Running", "Paused", "Sleeping", "Stopped", "NotFound", None]


class ConnectMachine(BaseMachine):
    """Calls succeed, fail, are throttled, or want another attempt; look-ups tell states."""

    @precondition(lambda self: self.engine.calls)
    @rule(
        which=numbers,
        fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=3),
        uncertain=st.booleans(),
    )
    def answer_by_item(self, which: int, fates: Sequence[ItemFailure | str], uncertain: bool) -> None:
        batch = self._call(which)
        tokens = [entry.request.client_token for entry in batch.entries]
        fated = [(token, fates[place % len(fates)]) for place, token in enumerate(tokens)]
        unknown = ItemFailure.UNKNOWN_ERROR
        report = CallReport(
            accepted={token: f"id-{token}" for token, fate in fated if fate in {"accepted", "both"}},
            failed={
                token: fate if isinstance(fate, ItemFailure) else unknown
                for token, fate in fated
                if fate not in {"accepted", "missing"}
            },
            uncertain=uncertain,
            started_at=self.engine.now,
            trace_id=str(batch.number),
        )
        self.engine.complete(batch, report)

    @precondition(lambda self: any(len(batch.entries) > 1 for batch in self.engine.calls.values()))
    @rule(times=st.sampled_from([1, 4, 12, 30]), bad=st.sampled_from([1, 2, 100]))
    def refuse_whole_calls(self, times: int, bad: int) -> None:
        """Refuse every call with one of the bad items in it, until it is found or the rule has enough."""
        first = next(batch for batch in self.engine.calls.values() if len(batch.entries) > 1)
        bads = {entry.request.client_token for entry in first.entries[:bad]}
        for _ in range(times):
            for batch in list(self.engine.calls.values()):
                if any(entry.request.client_token in bads for entry in batch.entries):
                    self._stop_asking(batch)
                    self.engine.complete(batch, CallReport(failure=errors.CallInvalid()))
                else:
                    self._end_call(batch)
            self.engine.poll()

    @precondition(lambda self: self.engine.calls)
    @rule(which=numbers, failed=st.integers(1, 25))
    def throttle_for_capacity(self, which: int, failed: int) -> None:
        batch = self._call(which)
        tokens = [entry.request.client_token for entry in batch.entries]
        report = CallReport(
            accepted=dict.fromkeys(tokens[failed:], "id"),
            failed=dict.fromkeys(tokens[:failed], ItemFailure.CAPACITY),
        )
        self.engine.complete(batch, report)

    @precondition(lambda self: self.engine.look_up)
    @rule(states=st.lists(st.sampled_from(STATES), min_size=1, max_size=3))
    def tell_states(self, states: Sequence[str | None]) -> None:
        told = zip(self.engine.look_up, states, strict=False)
        states_told = {name: state for name, state in told if state is not None}
        self.engine.looked_up(list(self.engine.look_up), states_told)

    @precondition(lambda self: self.engine.look_up)
    @rule(really=st.booleans())
    def refuse_to_tell_states(self, really: bool) -> None:
        if really:
            self.engine.may_not_look_up()
        else:
            self.engine.looked_up(list(self.engine.look_up), {})

    @rule(times=st.integers(1, 4))
    def go_well(self, times: int) -> None:
        for _ in range(times):
            self.engine.poll()
            for number in self._not_asking():
                self._end_call(self.engine.calls[number])
            asked = list(self.engine.look_up)
            self.engine.looked_up(asked, dict.fromkeys(asked, "Running"))
            if self.engine.wake_at is not None:
                self.engine.now += min(max(0.0, self.engine.wake_at - self.engine.now), 1.0)

    @precondition(lambda self: self.engine.calls)
    @rule(which=numbers, failure=st.sampled_from(FAILURES), doubt=st.booleans(), more=st.integers(0, 4))
    def fail(self, which: int, failure: errors.CallFailure, doubt: bool, more: int) -> None:
        batch = self._call(which)
        attempts = min(1 + more, batch.attempts_left)
        throttled = isinstance(failure, errors.RateThrottled)
        report = CallReport(
            failure=failure,
            attempts=attempts,
            counted_attempts=attempts - throttled,
            uncertain=failure.uncertain or (doubt and attempts > 1),
            started_at=self.engine.now,
        )
        self.engine.complete(batch, report)

    @precondition(lambda self: self.engine.calls)
    @rule(which=numbers)
    def want_another_attempt(self, which: int) -> None:
        self.engine.ask_retry(self._call(which))

    @precondition(lambda self: self.engine.calls)
    @rule(which=numbers, failure=st.sampled_from([errors.CallTooLate(), errors.NoCredentials()]))
    def not_send(self, which: int, failure: errors.CallFailure) -> None:
        self.engine.complete(
            self._call(which), CallReport(failure=failure, attempts=0, counted_attempts=0, unused=1)
        )
