"""The dispatcher and its calls, cancelled at each of their awaits: no answer is lost, permits come back."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.connect import retry
from gateway.connect.port import CallSender
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.errors import CampaignNotRunning, ConnectFailed
from gateway.core.fleet.contacts import ContactLimit
from gateway.core.intake.dry_run import CheckedKind
from gateway.dispatch import call_tasks, campaign_actions, dispatcher
from gateway.fleet import claims
from tests.cancellation.bench import Bench, bench_of
from tests.cancellation.hanging import (
    Hang,
    Places,
    Scenario,
    cancelled_where_it_hangs,
    hung_everywhere,
    missed,
    places_of,
    turns,
)
from tests.cancellation.hung_calls import Hung, HungState, asked, hang_of, outcomes, run_to_hang, started
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import dial


async def call(at: int) -> Hang[Any]:
    """A call that fails twice and then is carried out, with a permit for each attempt."""
    hungs: list[Hung] = []

    def wrapped(caller: CallSender) -> CallSender:
        hungs.append(Hung(caller, at))
        return hungs[0]

    script = [ConnectFailed(), ConnectFailed()]
    async with bench_of(*script, wrapped=wrapped, concurrent_calls=1) as bench:
        session = asked(bench, 25)
        task = await started("call-1")
        hang = await hang_of(hungs[0], task)
        await cancelled_where_it_hangs(hang, task)
        expected = pb.OUTCOME_UNKNOWN if hang.hangs else pb.OUTCOME_ACCEPTED
        assert await outcomes(session) == [expected] * 25
        await bench.served()  # the one permit for a call at a time has come back
        again = await outcomes(asked(bench, 25))  # and what Connect may have can be asked for again
        assert again == [pb.OUTCOME_ACCEPTED] * 25
        return hang


async def look_up(at: int) -> Hang[Any]:
    """A look at the state of a campaign that is parked: where it is lost, another follows."""
    hungs: list[Hung] = []

    def wrapped(caller: CallSender) -> CallSender:
        hungs.append(Hung(caller, at, looks=True))
        return hungs[0]

    async with bench_of(CampaignNotRunning("Paused"), wrapped=wrapped) as bench:
        session = asked(bench, 25)
        task = await started("look-up")
        hang = await hang_of(hungs[0], task)
        await cancelled_where_it_hangs(hang, task)
        assert await outcomes(session) == [pb.OUTCOME_ACCEPTED] * 25
        return hang


async def claim(at: int) -> Hang[Any]:
    """The claim of a call: where it is lost, the call is not sent, and another follows."""
    state = HungState(at)
    async with bench_of(state=state) as bench:
        session = asked(bench, 25)
        task = await started("call-1")
        hang = await hang_of(state, task)
        await cancelled_where_it_hangs(hang, task)
        assert await outcomes(session) == [pb.OUTCOME_ACCEPTED] * 25
        assert len(bench.connect.calls) == 1
        return hang


async def look_up_tokens(at: int) -> Hang[Any]:
    """A look at the fleet's ledger before a denial: where it is lost, the answer is in doubt."""
    state = HungState(at, look_ups=True)
    async with bench_of(state=state) as bench:
        await bench.dispatcher.campaign_actions.hold("c", Hold("somebody", "why", 0.0, answering=True))
        session = asked(bench, 25)
        task = await started("token-look-up")
        hang = await hang_of(state, task)
        await cancelled_where_it_hangs(hang, task)
        expected = pb.OUTCOME_UNKNOWN if hang.hangs else pb.OUTCOME_NOT_ACCEPTED
        assert await outcomes(session) == [expected] * 25
        return hang


async def check(at: int) -> Hang[Any]:
    """A dry run asks whether limits have room: whoever gives that up has counted nothing."""
    guard, request = HoursGuard(limits=(ContactLimit("a", 1, 600.0),)), dial(campaign="c", expires_at=1e10)
    async with bench_of(state=HungState()) as bench:
        bench.dispatcher.use_guard(guard)
        hang = await _steered(bench.dispatcher.check([request]), at)
        (checked,) = await bench.dispatcher.check([request])
        assert checked.kind is CheckedKind.SEND
        return hang


async def write_settlements(at: int) -> Hang[Any]:
    """The writer of settlements, cancelled anywhere: another writes what it had taken."""
    state = HungState(failures=1)
    async with bench_of(state=state) as bench:
        assert bench.claims is not None
        assert await outcomes(asked(bench, 25)) == [pb.OUTCOME_ACCEPTED] * 25
        rounds = at if at <= 8 else 0
        hang = Hang(bench.claims.run(), rounds)
        task = asyncio.create_task(run_to_hang(hang))
        await turns()
        if hang.hangs:
            hang.places |= places_of(task.get_coro())
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        again = asyncio.create_task(bench.claims.run())
        await asyncio.wait_for(bench.claims.written(), 10)
        again.cancel()
        assert len(await state.look_up("c", [], [f"t-{number}" for number in range(25)])) == 25
        return hang


async def note_doubts(at: int) -> Hang[Any]:
    """The writer of notes of doubt, cancelled anywhere: another writes them."""
    state = HungState()
    async with bench_of(state=state) as bench:
        assert bench.claims is not None
        for epoch in ("one", "two"):  # records are lost before the key is known
            bench.claims.seen(epoch, [])
        bench.claims.unclaimed()
        hang = Hang(bench.claims.run(), at if at <= 4 else 0)
        task = asyncio.create_task(run_to_hang(hang))
        await turns()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        again = asyncio.create_task(bench.claims.run())
        await asyncio.wait_for(bench.claims.written(), 10)
        again.cancel()
        assert state.store.marks().in_doubt
        return hang


async def written(at: int) -> Hang[Any]:
    """Waiting until all settlements are written: whoever gives that up keeps nobody else from it."""
    async with bench_of(state=HungState()) as bench:
        assert bench.claims is not None
        await outcomes(asked(bench, 25))
        hang = Hang(bench.claims.written(), at)
        task = asyncio.create_task(run_to_hang(hang))
        await turns()
        writer = asyncio.create_task(bench.claims.run())
        await cancelled_where_it_hangs(hang, task)
        await asyncio.wait_for(bench.claims.written(), 10)
        writer.cancel()
        return hang


async def run(at: int) -> Hang[Any]:
    """The dispatcher itself, in its first rounds: what it held can still be answered without it."""
    async with bench_of(run=False) as bench:
        rounds = at if at <= 3 else 0
        hang = Hang(bench.dispatcher.run(), rounds)
        task = asyncio.create_task(run_to_hang(hang))
        session = asked(bench, 60)
        for _ in range(20):
            bench.dispatcher.submit([])  # any event wakes it
            await asyncio.sleep(0)
        assert hang.hangs is bool(rounds)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        bench.dispatcher.abandon()
        assert len(await outcomes(session)) == 60
        return hang


async def watch_wall_clock(at: int) -> Hang[Any]:
    """The watch of the wall clock is cancelled: requests are still sent and answered."""
    async with bench_of() as bench:
        hang = Hang(bench.dispatcher.watch_wall_clock(), at if at == 1 else 0)
        task = asyncio.create_task(run_to_hang(hang))
        await turns()
        assert hang.hangs is (at == 1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await outcomes(asked(bench, 25)) == [pb.OUTCOME_ACCEPTED] * 25
        return hang


async def drained(at: int) -> Hang[Any]:
    """Waiting until all is answered: whoever gives that up keeps nobody else from it."""
    async with bench_of(asyncio.Event()) as bench:
        session = asked(bench, 25)
        hang = Hang(bench.dispatcher.drained(), at)
        other = asyncio.create_task(bench.dispatcher.drained())
        task = asyncio.create_task(run_to_hang(hang))
        await turns()
        if not hang.hangs:
            bench.dispatcher.abandon()
        await cancelled_where_it_hangs(hang, task)
        bench.dispatcher.abandon()
        assert await outcomes(session) == [pb.OUTCOME_UNKNOWN] * 25
        await asyncio.wait_for(other, 10)
        return hang


async def wait_for_room(at: int) -> Hang[Any]:
    """Waiting for room: whoever gives that up leaves its turn to the next."""
    hanging = asyncio.Event()
    async with bench_of(hanging, queue_limit=25) as bench:
        session = asked(bench, 25)
        hang = Hang(bench.dispatcher.wait_for_room(), at)
        task = asyncio.create_task(run_to_hang(hang))
        await asyncio.sleep(0)
        other = asyncio.create_task(bench.dispatcher.wait_for_room())
        await turns()
        hanging.set()
        await cancelled_where_it_hangs(hang, task)
        await asyncio.wait_for(other, 10)
        assert await outcomes(session) == [pb.OUTCOME_ACCEPTED] * 25
        return hang


async def hold(at: int) -> Hang[Any]:
    """A hold that answers what waits: given up half way, it stands, and the rest can be answered again."""
    async with bench_of() as bench:
        session = await _held(bench)
        answering = Hold("somebody", "why", 0.0, answering=True)
        hang = await _steered(bench.dispatcher.campaign_actions.hold("c", answering), at)
        await bench.dispatcher.campaign_actions.hold("c", answering)
        assert await outcomes(session) == [pb.OUTCOME_NOT_ACCEPTED] * 25
        assert await outcomes(asked(bench, 5, "later")) == [pb.OUTCOME_NOT_ACCEPTED] * 5
        return hang


async def purge(at: int) -> Hang[Any]:
    """A purge: given up half way, it has answered truly what it has, and another answers the rest."""
    async with bench_of() as bench:
        session = await _held(bench)
        action = OperatorAction(ActionKind.PURGE, "somebody", "why", 0.0)
        hang = await _steered(bench.dispatcher.campaign_actions.purge("c", action), at)
        await bench.dispatcher.campaign_actions.purge("c", action)
        assert await outcomes(session) == [pb.OUTCOME_NOT_ACCEPTED] * 25
        return hang


async def withdraw(at: int) -> Hang[Any]:
    """Answers before a deadline, cancelled half way: a caller that leaves then leaves nothing behind."""
    async with bench_of() as bench:
        session = await _held(bench)
        hang = await _steered(bench.dispatcher.withdraw(session.source), at)
        session.caller_gone()
        await turns()
        assert bench.engine.outstanding == 0
        return hang


async def answer_abandoned(at: int) -> Hang[Any]:
    """Answers after a bug, cancelled half way: the answers given stand, and the rest can still be given."""
    async with bench_of(slice_units=10) as bench:
        session = await _held(bench)
        bench.engine.abandon(0.0)
        hang = await _steered(bench.dispatcher.answer_abandoned(), at)
        await bench.dispatcher.answer_abandoned()
        assert bench.engine.outstanding == 0
        session.caller_gone()
        return hang


async def _held(bench: Bench) -> Any:
    """Let requests wait for a campaign that is held; return their session."""
    await bench.dispatcher.campaign_actions.hold("c", Hold("somebody", "why", 0.0))
    session = asked(bench, 25)
    await turns()
    return session


async def _steered(work: Any, at: int) -> Hang[Any]:
    hang = Hang(work, at)
    await cancelled_where_it_hangs(hang, asyncio.create_task(run_to_hang(hang)))
    return hang


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        call,
        look_up,
        claim,
        look_up_tokens,
        check,
        write_settlements,
        note_doubts,
        written,
        run,
        watch_wall_clock,
        drained,
        wait_for_room,
        hold,
        purge,
        withdraw,
        answer_abandoned,
    )
}
HUNG: dict[str, Places] = {}


async def hung(name: str) -> Places:
    """Run a scenario at each of its awaits, once for all tests."""
    if name not in HUNG:
        HUNG[name] = await hung_everywhere(SCENARIOS[name])
    return HUNG[name]


@pytest.mark.parametrize("name", SCENARIOS)
async def test_cancelled_at_each_await(name: str) -> None:
    """Cancelled at any of its awaits, it leaves nobody without an answer, and no permit taken."""
    assert await hung(name)


async def test_no_await_of_a_call_is_left_out() -> None:
    """The scenarios hang every await there is in the dispatcher, its parts and the retries."""
    places: Places = set()
    for name in SCENARIOS:
        places |= await hung(name)
    for module in (dispatcher, call_tasks, campaign_actions, claims, retry):
        assert missed(module, places) == []
