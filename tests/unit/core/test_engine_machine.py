"""Every promise of the core, under random callers, clocks and answers of Amazon Connect.

50 examples in `make test`, 400 in `make cases`. More:
`DIAL_GATEWAY_TEST_EXAMPLES=20000 python -m pytest tests/unit/core/test_engine_machine.py`.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

from gateway.core.model import Priority
from tests.cases import cases
from tests.unit.core.engine_machine.callers import CallersMachine
from tests.unit.core.engine_machine.calls import ConnectMachine
from tests.unit.core.engine_machine.operators import OperatorsMachine


class EngineMachine(CallersMachine, ConnectMachine, OperatorsMachine):
    """Callers, Connect and the clock do whatever they like; the oracle checks the promises."""


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
    max_examples=int(os.environ.get("DIAL_GATEWAY_TEST_EXAMPLES") or cases(50, 400)),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
