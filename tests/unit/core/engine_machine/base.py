"""What every part of the state machine of the engine uses: the engine, callers, requests and calls."""

import random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from gateway.core import errors
from gateway.core.engine import Limits
from gateway.core.model import Batch, CallReport, DialRequest, Priority
from tests.oracle.observed_engine import ObservedEngine
from tests.oracle.records import Caller
from tests.unit.core.making import NOW

LIVES_S = [600.0, 600.0, 20.0, 6.0, 5.07, 5.0625, 2.0, 0.0]
CAMPAIGNS = ["a", "b", "c"]
PHONES = ["+12065550100", "+12065550101"]
ATTRIBUTES: list[dict[str, str]] = [{}, {"name": "Ada"}]
numbers = st.integers(0, 7)
campaigns = st.sampled_from(CAMPAIGNS)
lives_s = st.sampled_from(LIVES_S)
priorities = st.sampled_from([Priority.NORMAL, *Priority])


class BaseMachine(RuleBasedStateMachine):
    """An observed engine with random limits. The other parts add rules."""

    @initialize(
        rate=st.sampled_from([0.0, 1.0, 10.0]),
        burst=st.sampled_from([1.0, 2.0, 10.0]),
        concurrent=st.sampled_from([1, 2, 8]),
        linger=st.sampled_from([0.0, 0.05, 1.0]),
        headroom=st.sampled_from([0.0, 5.0]),
        window=st.sampled_from([20.0, 1200.0]),
        attempts=st.sampled_from([1, 2, 5]),
        forecast=st.booleans(),
        mixed=st.sampled_from([True, True, False]),
        services=st.sampled_from([1, 1, 2]),
        slice_units=st.sampled_from([1000, 1000, 3]),
    )
    def begin(
        self,
        rate: float,
        burst: float,
        concurrent: int,
        linger: float,
        headroom: float,
        window: float,
        attempts: int,
        forecast: bool,
        mixed: bool,
        services: int,
        slice_units: int,
    ) -> None:
        limits = Limits(
            call_rate=rate,
            call_burst=burst,
            concurrent_calls=concurrent,
            linger_s=linger,
            expiry_headroom_s=headroom,
            replay_window_s=window,
            max_attempts=attempts,
            forecast=forecast,
            slice_units=slice_units,
        )
        self.engine = ObservedEngine(limits, NOW, random.Random(1))
        self.mixed = mixed
        self.services = [f"service-{number}" for number in range(services)]
        self.callers = [self._new_caller() for _ in range(3)]
        self.tokens = 0
        self.steps = 0

    def _revoke(self, calls: list[Batch], *, left: bool) -> None:
        """End calls that were revoked before a byte of them left; those that have left go on."""
        for batch in calls:
            if not left and batch.number not in self.engine.asking:
                report = CallReport(failure=errors.CallRevoked(), attempts=0, counted_attempts=0, unused=1)
                self.engine.complete(batch, report)

    def _priority(self, priority: Priority) -> Priority:
        return priority if self.mixed else Priority.NORMAL

    def _not_asking(self) -> list[int]:
        return [number for number in self.engine.calls if number not in self.engine.asking]

    def _new_caller_of_its_own(self) -> Caller:
        """Return a new caller that stays."""
        caller = self._new_caller()
        self.callers.append(caller)
        return caller

    def _new_caller(self) -> Caller:
        self.names = getattr(self, "names", 0) + 1
        return Caller(f"caller-{self.names}", self.services[self.names % len(self.services)])

    def _request(
        self,
        campaign: str,
        token: str,
        life_s: float,
        phone: str = PHONES[0],
        attributes: dict[str, str] = ATTRIBUTES[0],
    ) -> DialRequest:
        expires_at = self.engine.now + life_s
        return DialRequest(campaign, token, phone, attributes, expires_at, 50 + len(token))

    def _new_token(self) -> str:
        self.tokens += 1
        return f"new-{self.tokens}"

    def _caller(self, who: int) -> Caller:
        """Return a caller that still sends; a new caller replaces one that is gone or has half-closed."""
        place = who % len(self.callers)
        if self.callers[place].gone:
            self.callers[place] = self._new_caller()
        elif self.callers[place].closed:
            self.callers.append(self._new_caller())
            place = -1
        return self.callers[place]

    def _call(self, which: int) -> Batch:
        """Return a call in flight, which does not ask for another attempt any more."""
        numbers = list(self.engine.calls)
        batch = self.engine.calls[numbers[which % len(numbers)]]
        self._stop_asking(batch)
        return batch

    def _stop_asking(self, batch: Batch) -> None:
        if batch.number in self.engine.asking:
            self.engine.forget_retry(batch)

    def _end_call(self, batch: Batch) -> None:
        engine = self.engine
        if batch.number not in engine.asking:
            accepted = {entry.request.client_token: "id" for entry in batch.entries}
            engine.complete(batch, CallReport(accepted=accepted))
        elif not engine.oracle.at.sending:
            engine.forget_retry(batch)  # it would wait for its permit for ever
            engine.complete(batch, CallReport(failure=errors.AnswerLost(), uncertain=True))
