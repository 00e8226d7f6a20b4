"""Rules of the state machine: the clock, operators, and the drain of a gateway."""

import sys

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.unit.core.engine_machine.base import BaseMachine, campaigns

STEPS_S = [0.0, 0.001, 0.025, 0.05, 0.1, 0.2, 1.0, 5.0, 30.0]


class OperatorsMachine(BaseMachine):
    """Time passes; operators hold, release and purge; the gateway drains and ends."""

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

    def _leave_in_order(self) -> None:
        engine = self.engine
        for _ in range(2_000):
            for batch in list(engine.calls.values()):
                self._end_call(batch)
            engine.poll()
            if engine.wake_at is None and not engine.calls:
                break
            engine.now = max(engine.now, engine.wake_at or engine.now)
