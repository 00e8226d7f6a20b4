"""Every promise of the core, under random callers, clocks and answers of Amazon Connect.

200 examples in `make test`, 400 in `make cases`. More:
`DIAL_GATEWAY_TEST_EXAMPLES=20000 python -m pytest tests/unit/core/test_engine_machine.py`.
"""

import os
import random
import sys
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core import errors
from gateway.core.engine import Limits
from gateway.core.model import Batch, CallReport, DialRequest, ItemFailure, Priority
from tests.cases import cases
from tests.oracle.observed_engine import ObservedEngine
from tests.oracle.records import Caller
from tests.unit.core.making import NOW

CAMPAIGNS = ["a", "b", "c"]
PHONES = ["+12065550100", "+12065550101"]
ATTRIBUTES: list[dict[str, str]] = [{}, {"name": "Ada"}]
LIVES_S = [600.0, 600.0, 20.0, 6.0, 5.06, 5.05, 2.0, 0.0]
STEPS_S = [0.0, 0.001, 0.025, 0.05, 0.1, 0.2, 1.0, 5.0, 30.0]
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

numbers = st.integers(0, 7)
campaigns = st.sampled_from(CAMPAIGNS)
lives_s = st.sampled_from(LIVES_S)
priorities = st.sampled_from([Priority.NORMAL, *Priority])


class EngineMachine(RuleBasedStateMachine):
    """Callers, Connect and the clock do whatever they like; the oracle checks the promises."""

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

    # --- callers -----------------------------------------------------------------------------------

    @rule(
        who=numbers,
        campaign=st.sampled_from(CAMPAIGNS[:2]),
        token=st.integers(0, 1),
        phone=st.sampled_from([0, 0, 0, 1]),
        attributes=st.sampled_from([0, 0, 0, 1]),
        life_s=lives_s,
        priority=priorities,
        in_doubt=st.sampled_from([False, False, True]),
    )
    def send_known(
        self,
        who: int,
        campaign: str,
        token: int,
        phone: int,
        attributes: int,
        life_s: float,
        priority: Priority,
        in_doubt: bool,
    ) -> None:
        request = self._request(campaign, f"known-{token}", life_s, PHONES[phone], ATTRIBUTES[attributes])
        request.in_doubt = in_doubt
        self.engine.submit(self._caller(who), request, priority=self._priority(priority))

    @rule(
        who=numbers,
        campaign=campaigns,
        count=st.sampled_from([1, 2, 5, 24, 25, 26, 60]),
        life_s=lives_s,
        priority=priorities,
    )
    def send_new(self, who: int, campaign: str, count: int, life_s: float, priority: Priority) -> None:
        requests = [self._request(campaign, self._new_token(), life_s) for _ in range(count)]
        self.engine.submit(self._caller(who), *requests, priority=self._priority(priority))

    @rule(
        who=numbers,
        flaw=st.sampled_from(["token", "campaign", "phone", "attribute"]),
        in_doubt=st.booleans(),
    )
    def send_invalid(self, who: int, flaw: str, in_doubt: bool) -> None:
        request = self._request(
            "." if flaw == "campaign" else "a",
            "no token" if flaw == "token" else "known-0",
            600.0,
            "+1206555010\u0661" if flaw == "phone" else PHONES[0],
            {"": ""} if flaw == "attribute" else {},
        )
        request.in_doubt = in_doubt
        self.engine.submit(self._caller(who), request, valid=False)

    @rule(campaign=campaigns, count=st.sampled_from([2, 40, 70]), life_s=lives_s, stay=st.booleans())
    def come_as_a_crowd(self, campaign: str, count: int, life_s: float, stay: bool) -> None:
        crowd = [self._new_caller() for _ in range(count)]
        for caller in crowd:
            request = self._request(campaign, self._new_token(), life_s)
            self.engine.submit(caller, request)
        if stay:
            self.callers += crowd
        else:
            for caller in crowd:
                self.engine.leave(caller)

    @rule(who=numbers)
    def half_close(self, who: int) -> None:
        self.engine.close(self._caller(who))

    @rule(who=numbers)
    def leave(self, who: int) -> None:
        self.engine.leave(self._caller(who))

    @rule(who=numbers)
    def end_stream(self, who: int) -> None:
        self.engine.end_stream(self._caller(who))

    @precondition(lambda self: any(caller.ending and not caller.gone for caller in self.callers))
    @rule()
    def leave_while_the_stream_ends(self) -> None:
        self.engine.leave(next(caller for caller in self.callers if caller.ending and not caller.gone))

    @rule(who=numbers)
    def withdraw(self, who: int) -> None:
        self.engine.withdraw(self._caller(who))

    # --- the clock ---------------------------------------------------------------------------------

    @rule(step_s=st.sampled_from(STEPS_S), poll=st.booleans())
    def pass_time(self, step_s: float, poll: bool) -> None:
        self.engine.now += step_s
        if poll:
            self.engine.poll()

    @rule(times=st.integers(1, 8))
    def sleep_as_told(self, times: int) -> None:
        for _ in range(times):
            self.engine.poll()
            if self.engine.wake_at is None:
                break
            self.engine.now = max(self.engine.now, self.engine.wake_at)

    @rule(window_shares=st.sampled_from([0.25, 0.999, 1.0, 1.3]))
    def wait_for_memory_to_fade(self, window_shares: float) -> None:
        self.engine.now += window_shares * self.engine.limits.replay_window_s

    # --- Amazon Connect ----------------------------------------------------------------------------

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

    @rule(campaign=campaigns, calls=st.sampled_from([1, 2]))
    def send_much_and_stop_calls(self, campaign: str, calls: int) -> None:
        """Stop calls before they leave, with so much waiting that their permits are used again at once."""
        requests = [self._request(campaign, self._new_token(), 600.0) for _ in range(90)]
        self.engine.submit(self._new_caller_of_its_own(), *requests)
        self.engine.poll()
        for batch in [self.engine.calls[number] for number in self._not_asking()][-calls:]:
            report = CallReport(failure=errors.CallTooLate(), attempts=0, counted_attempts=0, unused=1)
            self.engine.complete(batch, report)
        self.engine.poll()

    @rule(campaign=campaigns, count=st.sampled_from([26, 30]))
    def leave_a_backlog_beside_another(self, campaign: str, count: int) -> None:
        """Let a caller leave a backlog in the middle of another one's, so that calls must be filled up."""
        leaving = self._new_caller()
        for caller in (leaving, self._new_caller_of_its_own()):
            requests = [self._request(campaign, self._new_token(), 600.0) for _ in range(count)]
            self.engine.submit(caller, *requests)
        self.engine.leave(leaving)
        self.engine.poll()

    # --- operators ----------------------------------------------------------------------------------

    @rule(campaign=campaigns, answering=st.booleans(), left=st.booleans())
    def hold_campaign(self, campaign: str, answering: bool, left: bool) -> None:
        self._revoke(self.engine.hold(campaign, answering=answering), left=left)

    @rule(campaign=campaigns)
    def release_campaign(self, campaign: str) -> None:
        self.engine.release(campaign)

    @rule()
    def release_all(self) -> None:
        for campaign in list(self.engine.holds):
            self.engine.release(campaign)

    @rule(campaign=campaigns, left=st.booleans())
    def purge_campaign(self, campaign: str, left: bool) -> None:
        self._revoke(self.engine.purge(campaign), left=left)

    # --- leaving -----------------------------------------------------------------------------------

    @precondition(lambda self: self.steps > 8 and not self.engine.engine.draining)
    @rule(grace_s=st.sampled_from([0.0, 1.0, 25.0]), really=st.integers(0, 3))
    def drain(self, grace_s: float, really: int) -> None:
        if really == 0:
            self.engine.drain(self.engine.now + grace_s)

    @invariant()
    def sums_are_right(self) -> None:
        self.steps += 1
        self.engine.check_sums(self.callers)

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None:
            return  # a promise is broken already: what comes after says nothing
        engine = self.engine
        if not engine.engine.draining:
            engine.drain(engine.now + 30.0)
        if self.tokens % 3 == 0:
            self._leave_in_order()
        else:
            engine.abandon(unsent=list(engine.calls.values()) if self.tokens % 3 == 1 else [])
        engine.check_end(self.callers)

    # --- how ---------------------------------------------------------------------------------------

    def _leave_in_order(self) -> None:
        engine = self.engine
        for _ in range(2_000):
            for batch in list(engine.calls.values()):
                self._end_call(batch)
            engine.poll()
            if engine.wake_at is None and not engine.calls:
                break
            engine.now = max(engine.now, engine.wake_at or engine.now)

    def _end_call(self, batch: Batch) -> None:
        engine = self.engine
        if batch.number not in engine.asking:
            accepted = {entry.request.client_token: "id" for entry in batch.entries}
            engine.complete(batch, CallReport(accepted=accepted))
        elif not engine.oracle.at.sending:
            engine.forget_retry(batch)  # it would wait for its permit for ever
            engine.complete(batch, CallReport(failure=errors.AnswerLost(), uncertain=True))

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
        return DialRequest(campaign, token, phone, attributes, expires_at, expires_at, 50 + len(token))

    def _new_token(self) -> str:
        self.tokens += 1
        return f"new-{self.tokens}"

    def _caller(self, who: int) -> Caller:
        """Return one who still sends; for one who does not, another has come."""
        place = who % len(self.callers)
        if self.callers[place].gone:
            self.callers[place] = self._new_caller()
        elif self.callers[place].closed:
            self.callers.append(self._new_caller())
            place = -1
        return self.callers[place]

    def _call(self, which: int) -> Batch:
        """Return a call under way; one that wanted another attempt does so no more."""
        numbers = list(self.engine.calls)
        batch = self.engine.calls[numbers[which % len(numbers)]]
        self._stop_asking(batch)
        return batch

    def _stop_asking(self, batch: Batch) -> None:
        if batch.number in self.engine.asking:
            self.engine.forget_retry(batch)


def machine_of(**settings: Any) -> EngineMachine:
    """Return a machine with small slices, without a limit of calls, for an example that was found once."""
    machine = EngineMachine()
    limits = {"rate": 0.0, "burst": 10.0, "concurrent": 2, "linger": 0.05, "headroom": 5.0, "window": 20.0}
    others = {"attempts": 5, "forecast": False, "mixed": False, "services": 2, "slice_units": 1}
    machine.begin(**limits | others | settings)
    return machine


def send_token(machine: EngineMachine, who: int, life_s: float = 600.0) -> None:
    """Let a caller send a token that others may send too."""
    machine.send_known(who, "b", 1, 0, 0, life_s, Priority.NORMAL, False)
    machine.sums_are_right()


def test_a_stream_ends_before_the_gateway_answers_those_who_wait_with_it() -> None:
    """The gateway stops to send while a stream that ends still waits for a request with another caller."""
    machine = machine_of(rate=10.0, burst=1.0)
    send_token(machine, 0)
    machine.send_much_and_stop_calls("a", 1)
    machine.engine.drain(machine.engine.now)
    send_token(machine, 1)
    machine.leave_a_backlog_beside_another("a", 30)
    machine.end_stream(0)
    machine.tokens = 0  # it leaves in order
    machine.teardown()


def test_a_request_expires_after_a_stream_has_ended_and_another_caller_has_left() -> None:
    """A stream ends, the other caller leaves, and the request expires before both are removed from it."""
    machine = machine_of()
    machine.send_new(1, "b", 26, 600.0, Priority.NORMAL)
    machine.end_stream(1)
    send_token(machine, 0, 5.06)
    send_token(machine, 2)
    machine.pass_time(600.0, poll=False)
    machine.end_stream(0)
    machine.leave(2)
    machine._leave_in_order()
    machine.sums_are_right()


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(
    max_examples=int(os.environ.get("DIAL_GATEWAY_TEST_EXAMPLES") or cases(200, 400)),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
