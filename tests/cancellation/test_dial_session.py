"""Streams and unary calls, cancelled at each of their awaits: nothing stays held, and others go on."""

import asyncio
from typing import Any

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api import answer_queue, caller_limits, dial_session, submission, window
from gateway.api.dial_session import DialSession
from gateway.api.wire.incoming import PART, Incoming
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.model import Priority
from tests.cancellation.bench import Bench, bench_of, messages
from tests.cancellation.hanging import (
    Hang,
    Places,
    Scenario,
    cancelled_where_it_hangs,
    hangs_or_ends,
    hung_everywhere,
    missed,
    turns,
)
from tests.integration.world import dials


async def heard(session: DialSession) -> list[pb.DialResult]:
    """Read a stream to its end."""
    return [result async for response in session.responses() for result in response.results]


async def read_by_one_who_leaves(bench: Bench, at: int) -> Hang[Any]:
    """Hang a reader while somebody reads its answers; then its caller is gone."""
    session = bench.session()
    hang = Hang(session.read(messages(30)), at)
    hearing = asyncio.create_task(heard(session))
    reading = asyncio.ensure_future(_of(hang))
    reading.add_done_callback(lambda _: session.close())
    await cancelled_where_it_hangs(hang, reading)
    hearing.cancel()
    await asyncio.wait([hearing])
    session.caller_gone()
    await turns()
    await bench.served()
    return hang


async def read_within_a_window(at: int) -> Hang[Any]:
    """A stream whose window is as large as each of its messages: it waits between them."""
    async with bench_of(window=10) as bench:
        return await read_by_one_who_leaves(bench, at)


async def read_within_a_share(at: int) -> Hang[Any]:
    """A caller whose share is small."""
    async with bench_of(share=7) as bench:
        return await read_by_one_who_leaves(bench, at)


async def read_where_it_is_full(at: int) -> Hang[Any]:
    """A gateway that takes little at a time, and has not answered that when more comes."""
    async with bench_of(queue_limit=7) as bench:
        bench.connect.turns = 20
        return await read_by_one_who_leaves(bench, at)


async def read_until_it_drains(at: int) -> Hang[Any]:
    """A stream that is asked to end: all that it has read is answered, each exactly once."""
    async with bench_of(window=7) as bench:
        session = bench.session()
        hang = Hang(session.read(messages(30)), at)
        hearing = asyncio.create_task(heard(session))
        reading = asyncio.ensure_future(_of(hang))
        reading.add_done_callback(lambda _: session.close())
        await hangs_or_ends(hang, reading)
        session.drain()
        session.end_soon()
        await cancelled_where_it_hangs(hang, reading)
        results = await asyncio.wait_for(hearing, 10)
        assert sorted(result.index for result in results) == list(range(session.window.taken))
        assert session.window.taken % 10 == 0  # whole messages: what was read is answered to its end
        session.caller_gone()
        await bench.served()
        return hang


async def hear(at: int) -> Hang[Any]:
    """A stream whose answers are handed over as its caller goes; another of the caller waits for room."""
    async with bench_of(share=40) as bench:
        # So long that there are answers to wait with, however fast the machine is.
        session, other = bench.session(response_every_s=0.03), bench.session()
        reading = asyncio.create_task(session.read(messages(30)))
        reading.add_done_callback(lambda _: session.close())
        responses: Any = session.responses()

        async def hear_all() -> int:
            count = 0
            async for response in responses:
                await asyncio.sleep(0)  # gRPC writes
                count += len(response.results)
            return count

        hang = Hang(hear_all(), at, responses)
        hearing = asyncio.ensure_future(_of(hang))
        waiting = asyncio.create_task(other.read(messages(50, "other")))
        waiting.add_done_callback(lambda _: other.close())
        await asyncio.sleep(0)
        others = asyncio.create_task(heard(other))
        await cancelled_where_it_hangs(hang, hearing)
        reading.cancel()
        await asyncio.wait([reading])
        session.caller_gone()
        assert len(await asyncio.wait_for(others, 10)) == 50
        other.caller_gone()
        await bench.served()
        return hang


async def answer_a_list(at: int) -> Hang[Any]:
    """A unary call whose caller goes."""
    async with bench_of() as bench:
        session = bench.session()
        session.take("c", dials(60), Priority.NORMAL)
        session.close()
        hang = Hang(session.answers_in_order(10.0), at)
        await cancelled_where_it_hangs(hang, asyncio.ensure_future(_of(hang)))
        session.caller_gone()
        await turns()
        await bench.served()
        return hang


async def take_a_list(at: int) -> Hang[Any]:
    """A unary call with a long list is cancelled while the list is taken in."""
    async with bench_of() as bench:
        session = bench.session()
        items = dials(2 * PART + 1)
        message = pb.StreamDialRequestsRequest(campaign_id="c", dial_requests=items)
        hang = Hang(session.take_all(Incoming(message.SerializeToString())), at)
        await cancelled_where_it_hangs(hang, asyncio.ensure_future(_of(hang)))
        session.caller_gone()
        await turns()
        await bench.served()
        return hang


async def answer_a_list_whose_deadline_is_near(at: int) -> Hang[Any]:
    """A unary call is cancelled while it is answered before its deadline."""
    async with bench_of() as bench:
        await bench.dispatcher.campaign_actions.hold("c", Hold("somebody", "why", 0.0))
        session = bench.session()
        session.take("c", dials(60), Priority.NORMAL)
        session.close()
        hang = Hang(session.answers_in_order(0.0), at)
        await cancelled_where_it_hangs(hang, asyncio.ensure_future(_of(hang)))
        session.caller_gone()
        bench.dispatcher.campaign_actions.release(
            "c", OperatorAction(ActionKind.RELEASE, "somebody", "why", 0.0)
        )
        await turns()
        await bench.served()
        return hang


async def _of(hang: Hang[Any]) -> Any:
    return await hang


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        read_within_a_window,
        read_within_a_share,
        read_where_it_is_full,
        read_until_it_drains,
        hear,
        answer_a_list,
        take_a_list,
        answer_a_list_whose_deadline_is_near,
    )
}
HUNG: dict[str, Places] = {}
MODULES = (dial_session, window, submission, answer_queue, caller_limits)
RUNS = 4
"""How often the scenarios are run before an await counts as left out."""


async def hung(name: str) -> Places:
    """Run a scenario at each of its awaits, once for all tests."""
    if name not in HUNG:
        HUNG[name] = await hung_everywhere(SCENARIOS[name])
    return HUNG[name]


@pytest.mark.parametrize("name", SCENARIOS)
async def test_cancelled_at_each_await(name: str) -> None:
    """Cancelled at any of its awaits, it leaves nothing held, no share, no task; others go on."""
    assert len(await hung(name)) > 1


async def test_no_await_of_a_session_is_left_out() -> None:
    """The scenarios hang every await there is in the session, its parts and the limits of callers.

    Which awaits a run comes to depends on the clock, so it may take several runs.
    """
    places: Places = set()
    for name in SCENARIOS:
        places |= await hung(name)
    for _ in range(RUNS - 1):
        if not any(missed(module, places) for module in MODULES):
            break
        for scenario in SCENARIOS.values():
            places |= await hung_everywhere(scenario)
    for module in MODULES:
        assert missed(module, places) == []
