"""What the policy grants reaches a stream's turns and its caller's limit, message by message."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.grants import AccessControl
from gateway.access.identity import CallerEvidence
from gateway.access.policy import Policy
from gateway.access.policy_file import reloaded_policy
from gateway.access.reloading import Reloaded
from gateway.api.caller_limits import CallerLimit
from gateway.api.dial_session import DialSession
from gateway.connect.fake import FakeConnect
from gateway.connect.retry import RetryingSender
from gateway.core.engine import Engine, Limits
from gateway.core.model import Outcome, Priority, Reason
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock
from gateway.telemetry import telemetry_with
from tests.files import put
from tests.integration.world import dials

BILLING = "spiffe://example.org/billing"


def policy(**entry: object) -> str:
    return (
        f"version: 1\ncallers: [{ ({'identities': [BILLING], 'dial': [{'campaigns': ['own']}], **entry}) }]"
    )


@pytest.fixture
def change(tmp_path: Path) -> Callable[[str], Reloaded[Policy]]:
    file = tmp_path / "policy.yaml"

    def change(text: str) -> Reloaded[Policy]:
        put(file, text)
        return reloaded_policy(str(file))

    return change


def session_of(kept: Reloaded[Policy], limit: CallerLimit) -> DialSession:
    """Make a session of a caller, at a dispatcher that does not run."""
    clock, telemetry, rng = SystemClock(), telemetry_with(), random.Random(1)
    caller = RetryingSender(FakeConnect(), telemetry, clock.now, rng, expiry_now=clock.epoch_now)
    dispatcher = Dispatcher(Engine(Limits(), rng), caller, telemetry, clock.now, gained=clock.gained)
    access_control = AccessControl(kept)
    permission = access_control.dial_permission(
        access_control.caller(CallerEvidence("ipv4:127.0.0.1:1", [BILLING]), "127.0.0.1")
    )
    trace = telemetry.rpc_started("StreamDialRequests", ())
    return DialSession(dispatcher, telemetry, clock, trace, 100, limit, permission)


async def test_weight_and_window_are_those_of_the_policy_at_each_message(
    change: Callable[[str], Reloaded[Policy]], tmp_path: Path
) -> None:
    kept, limit = change(policy(weight=3, window=7)), CallerLimit(50)
    session = session_of(kept, limit)
    session.take("own", dials(1), Priority.NORMAL)
    assert (session.source.weight, limit.room()) == (3, 7 - 1)

    put(tmp_path / "policy.yaml", policy())
    kept.reread()
    session.take("own", dials(1, "more"), Priority.NORMAL)
    assert (session.source.weight, limit.room()) == (1, 50 - 2)


async def test_what_is_refused_is_answered_in_its_place_and_never_held(
    change: Callable[[str], Reloaded[Policy]],
) -> None:
    """Answers have the indices of their requests; nothing of another's campaign reaches the core."""
    session = session_of(change(policy()), CallerLimit(50))
    session.take("own", dials(2), Priority.NORMAL)
    session.take("other", dials(2, "other"), Priority.NORMAL)
    session.close()
    answers = [
        (one.waiter.index, one.answer.outcome, one.answer.reason) for one in session.answer_queue.in_order()
    ]
    assert answers == [(n, Outcome.REJECTED, Reason.ACCESS_DENIED) for n in (2, 3)]
    assert len(session.source.pending) == 2


async def test_a_share_that_grows_lets_those_in_who_wait() -> None:
    limit = CallerLimit(1)
    limit.take(1)
    waiting = asyncio.create_task(limit.wait_for_room())
    await asyncio.sleep(0)
    limit.resize(3)
    await asyncio.wait_for(waiting, 5)
    limit.resize(None)
    assert limit.room() == 0


async def test_answers_that_are_refused_are_handed_out(change: Callable[[str], Reloaded[Policy]]) -> None:
    session = session_of(change(policy()), CallerLimit(50))
    session.take("other", dials(1), Priority.NORMAL)
    session.close()
    (response,) = [response async for response in session.responses()]
    assert response.campaign_id == "other"
    assert response.results[0].reason == pb.REASON_ACCESS_DENIED
    assert "does not let this caller dial this campaign" in response.results[0].detail
