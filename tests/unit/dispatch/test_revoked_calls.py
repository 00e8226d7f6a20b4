"""A revoked call that has not left is never sent, and Connect has none of its requests."""

import asyncio

import pytest

from gateway.connect.fake import Delay
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.errors import AnswerLost, CallRevoked, ConnectFailed, ConnectUnreachable, NoCredentials
from tests.unit.dispatch.test_dispatcher import Owner, running, turns

HOLD = Hold("somebody", "why", 0.0)
ANSWERING = HOLD._replace(answering=True)
PURGE = OperatorAction(ActionKind.PURGE, "somebody", "why", 0.0)
RELEASE = OperatorAction(ActionKind.RELEASE, "somebody", "why", 0.0)


def delayed() -> tuple[Delay, asyncio.Event]:
    """Return a step that lets nothing leave until the event is set."""
    event = asyncio.Event()
    return Delay(event), event


async def test_a_hold_keeps_a_delayed_call_here() -> None:
    """A call that has not left when its campaign is held never leaves; its requests wait for the release."""
    delay, event = delayed()
    async with running(delay) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        await turns()
        assert await bench.dispatcher.campaign_actions.hold("c", HOLD) == 0
        event.set()
        await turns()
        assert (bench.connect.calls, owner.told, bench.engine.outstanding) == ([], [], 25)
        assert bench.engine.calls_in_flight == 0
        bench.dispatcher.campaign_actions.release("c", RELEASE)
        await turns()
        assert owner.outcomes == ["ACCEPTED NONE"] * 25
        assert {settled.answer.attempts for settled in owner.told} == {1}


async def test_a_hold_that_answers() -> None:
    """A hold that answers also answers the requests of a delayed call NOT_ACCEPTED: nothing was sent."""
    delay, _ = delayed()
    async with running(delay, concurrent_calls=1) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(30))
        await turns()
        assert await bench.dispatcher.campaign_actions.hold("c", ANSWERING) == 30
        await turns()
        assert (owner.outcomes, bench.connect.calls) == (["NOT_ACCEPTED HELD"] * 30, [])
        assert {settled.answer.attempts for settled in owner.told} == {0}


async def test_a_purge_answers_a_delayed_call() -> None:
    """A purge answers and counts the requests of a delayed call, and the call never leaves."""
    delay, event = delayed()
    async with running(delay, concurrent_calls=1) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(30))
        await turns()
        assert await bench.dispatcher.campaign_actions.purge("c", PURGE) == 30
        event.set()
        await turns()
        assert (owner.outcomes, bench.connect.calls) == (["NOT_ACCEPTED PURGED"] * 30, [])


async def test_a_purge_lets_no_call_try_again() -> None:
    """A call that left before a purge and failed has no further attempt, and its requests are in doubt."""
    async with running(AnswerLost(), call_rate=0.001, call_burst=1.0, forecast=False) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        await turns()
        assert len(bench.connect.calls) == 1  # its second attempt waits for a permit
        assert await bench.dispatcher.campaign_actions.purge("c", PURGE) == 0
        await turns()
        assert owner.outcomes == ["UNKNOWN PURGED"] * 25
        assert len(bench.connect.calls) == 1


async def test_a_purge_of_a_call_that_could_not_connect() -> None:
    """After a purge, a call without any sent attempt is NOT_ACCEPTED."""
    async with running(ConnectUnreachable(), call_rate=0.001, call_burst=1.0, forecast=False) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        await turns()
        assert await bench.dispatcher.campaign_actions.purge("c", PURGE) == 25
        await turns()
        assert owner.outcomes == ["NOT_ACCEPTED PURGED"] * 25


async def test_other_campaigns_go_on() -> None:
    """A hold or purge revokes the calls of its own campaign only."""
    held, _ = delayed()
    other, event = delayed()
    async with running(held, other) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(5, "held"))
        bench.dispatcher.submit(owner.arrivals(5, "other"))
        await turns()
        await bench.dispatcher.campaign_actions.hold("held", HOLD)
        await bench.dispatcher.campaign_actions.purge("nobody", PURGE)
        event.set()
        await turns()
        assert owner.outcomes == ["ACCEPTED NONE"] * 5
        assert [campaign for campaign, _ in bench.connect.calls] == ["other"]


async def test_a_hold_before_the_call_has_begun() -> None:
    """A hold between the decision to call and the call itself prevents the call."""
    async with running() as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        bench.dispatcher._turn()  # its call is a task that has not had a turn yet
        await bench.dispatcher.campaign_actions.hold("c", HOLD)
        await turns()
        assert (bench.connect.calls, owner.told) == ([], [])


async def test_the_end_of_sending_keeps_delayed_calls_here() -> None:
    """At the end of sending, the requests of delayed calls are NOT_ACCEPTED, and the calls are never sent."""
    delay, event = delayed()
    async with running(delay) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        await turns()
        bench.dispatcher.drain(5.0)
        await bench.advance(4.1)
        assert owner.outcomes == ["NOT_ACCEPTED DRAINING"] * 25
        event.set()
        await turns()
        assert bench.connect.calls == []


async def test_abandoning_tells_delayed_calls_from_those_that_left() -> None:
    """When the gateway stops at once, requests of delayed calls are NOT_ACCEPTED and those of sent calls
    UNKNOWN.
    """
    delay, event = delayed()
    async with running(asyncio.Event(), delay, concurrent_calls=2) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(50))
        await turns()
        bench.dispatcher.abandon()
        assert sorted(owner.outcomes) == ["NOT_ACCEPTED DRAINING"] * 25 + ["UNKNOWN DRAINING"] * 25
        event.set()
        await turns()
        assert len(bench.connect.calls) == 1


@pytest.mark.parametrize("failure", [CallRevoked(), NoCredentials()], ids=lambda f: type(f).__name__)
async def test_permits_of_calls_that_were_kept_back_are_used_by_others(failure: Exception) -> None:
    """Only a call that leaves uses a permit; the permit of a revoked call serves the next one."""
    async with running(failure, call_rate=0.001, call_burst=1.0, forecast=False) as bench:  # type: ignore[arg-type]
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25, "first"))
        await turns()
        bench.dispatcher.submit(owner.arrivals(25, "second"))
        await turns()
        assert len(bench.connect.calls) == 1
        assert "ACCEPTED NONE" in owner.outcomes


async def test_no_credentials_count_as_no_attempt() -> None:
    """A call for which there were no credentials is answered ACCESS_DENIED after no attempt."""
    async with running(NoCredentials()) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        await turns()
        assert owner.outcomes == ["NOT_ACCEPTED ACCESS_DENIED"] * 25
        assert {settled.answer.attempts for settled in owner.told} == {0}


async def test_a_failure_then_a_hold() -> None:
    """Doubt from an earlier attempt remains: after a hold the request is UNKNOWN, not NOT_ACCEPTED."""
    async with running(ConnectFailed(), call_rate=0.001, call_burst=1.0, forecast=False) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(25))
        await turns()
        assert await bench.dispatcher.campaign_actions.hold("c", ANSWERING) == 0
        await bench.advance(10.0)
        assert owner.outcomes == ["UNKNOWN HELD"] * 25
