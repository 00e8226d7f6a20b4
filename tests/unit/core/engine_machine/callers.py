"""Rules of the state machine: what callers do."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.core import errors
from gateway.core.model import CallReport, Priority
from tests.unit.core.engine_machine.base import (
    ATTRIBUTES,
    CAMPAIGNS,
    PHONES,
    BaseMachine,
    campaigns,
    lives_s,
    numbers,
    priorities,
)


class CallersMachine(BaseMachine):
    """Callers send, half-close, hang up, and end their streams."""

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

    @rule(campaign=campaigns, calls=st.sampled_from([1, 2]))
    def send_much_and_stop_calls(self, campaign: str, calls: int) -> None:
        """End calls as too late while a backlog waits, which uses their permits again at once."""
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
