"""The limits and the end of one stream. No task runs; a test calls each method."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.answer_queue import RESPONSE_RESULTS
from gateway.api.dial_session import DialSession
from gateway.core.engine import Engine
from gateway.core.model import (
    Answer,
    CampaignNotice,
    DialRequest,
    NoticeKind,
    Outcome,
    Priority,
    Settled,
    Source,
    Waiter,
    addressed,
)
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from gateway.runtime.clock import SystemClock
from gateway.telemetry import telemetry_with
from gateway.telemetry.labels import OTHER
from tests.integration.world import dials
from tests.unit.api.session_bench import counting, make, message, sent
from tests.unit.fleet.ledger_world import World


async def bytes_of(*messages: bytes) -> AsyncIterator[bytes]:
    for one in messages:
        yield one


def answer(index: int) -> Settled:
    request = DialRequest("c", f"t-{index}", "+12065550123", {}, 0.0, 0)
    return addressed(Waiter(Source(), index), request, Answer(Outcome.ACCEPTED))


async def test_an_unreadable_request_is_counted_and_answered_once() -> None:
    """Counts of received and answered requests agree, and no campaign gets a metric label by it."""
    telemetry = telemetry_with()
    session = make(telemetry=telemetry)
    unreadable = b"\x12\x01\xff"
    raw = pb.StreamDialRequestsRequest(campaign_id="debt").SerializeToString() + unreadable
    await session.read(bytes_of(raw))
    session.close()
    results = [result async for response in session.responses() for result in response.results]
    assert [result.outcome for result in results] == [pb.OUTCOME_REJECTED]
    assert telemetry.metrics is not None
    counted = telemetry.metrics.counters.counts().campaigns
    assert counted.keys() == {OTHER}
    assert counted[OTHER].received == 1
    assert [number for _, _, number in counted[OTHER].answers()] == [1]


async def test_the_stream_ends_behind_the_last_answer() -> None:
    """Each answer is handed over once. The stream ends when no more answers can come, and not before."""
    session = make()
    session.take("", message("a", "b").dial_requests, Priority.NORMAL)
    responses = session.responses()
    first = await anext(responses)
    assert [result.index for result in first.results] == [0, 1]
    waiting = asyncio.ensure_future(anext(responses, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    session.close()
    assert await waiting is None


async def test_a_closed_stream_waits_for_its_last_answer() -> None:
    session = make()
    session.take("c", dials(1), Priority.NORMAL)
    session.close()
    responses = session.responses()
    waiting = asyncio.ensure_future(anext(responses))
    await asyncio.sleep(0)
    assert not waiting.done()
    session.answer_queue.deliver(answer(0))
    assert [result.index for result in (await waiting).results] == [0]
    assert await anext(responses, None) is None


async def test_many_answers_travel_in_messages_of_limited_size() -> None:
    """A message has a limited number of results, whatever has piled up."""
    session = make()
    session.window.taken = 2 * RESPONSE_RESULTS + 1
    for index in range(session.window.taken):
        session.answer_queue.deliver(answer(index))
    session.close()
    sizes = [len(response.results) async for response in session.responses()]
    assert sizes == [RESPONSE_RESULTS, RESPONSE_RESULTS, 1]


async def test_answers_count_until_they_are_handed_over() -> None:
    """A reader takes in no more than a window ahead of the answers that its caller has taken."""
    session = make(window=3)
    reading = asyncio.create_task(session.read(sent(message(*"abcde"), message(*"fg"))))
    responses = session.responses()
    taken = []
    for _ in range(3):
        await asyncio.sleep(0)
        taken.append(session.window.taken)
        await anext(responses)
    reading.cancel()
    assert taken == [3, 3, 6]


@pytest.mark.parametrize("idle", [True, False])
async def test_a_draining_stream_is_told(idle: bool) -> None:
    """A stream gets the notice DRAINING, even if draining begins while an answer is being sent."""
    session = make()
    responses = session.responses()
    if not idle:
        session.take("", message("a").dial_requests, Priority.NORMAL)
        await anext(responses)  # suspended while gRPC writes: drain and close happen before it continues
    session.drain()
    session.close()
    rest = [response async for response in responses]
    assert [response.notice.kind for response in rest] == [pb.NOTICE_KIND_DRAINING]


async def test_notices_go_before_answers_and_count_for_nothing() -> None:
    """Notices are sent before waiting answers, and only the latest notice for each campaign."""
    session = make()
    session.take("", message("a").dial_requests, Priority.NORMAL)
    session.answer_queue.notify("c", CampaignNotice(NoticeKind.CAMPAIGN_PARKED, None, "first"))
    session.answer_queue.notify("d", CampaignNotice(NoticeKind.CAMPAIGN_COOLING, 2.0, "other"))
    session.answer_queue.notify("c", CampaignNotice(NoticeKind.CAMPAIGN_RESUMED, None, "last"))
    session.close()
    responses = [response async for response in session.responses()]
    told_of = [(response.campaign_id, response.notice.detail) for response in responses[:2]]
    assert sorted(told_of) == [("c", "last"), ("d", "other")]
    assert [result.index for result in responses[2].results] == [0]
    assert (len(responses), session.window.taken, session.window.answered) == (3, 1, 1)


async def test_what_was_read_is_answered_when_the_gateway_leaves() -> None:
    """When the gateway drains, requests of a message that still wait for room are accepted."""
    session = make(window=2)
    reading = asyncio.create_task(session.read(sent(message(*"abcde"))))
    await asyncio.sleep(0)
    assert session.window.taken == 2
    session.drain()
    reading.cancel()
    await asyncio.wait([reading])
    assert session.window.taken == 5
    assert reading.cancelled()


async def test_what_was_read_is_dropped_when_the_caller_leaves() -> None:
    """When the caller is gone, requests of a message that still wait for room are dropped."""
    session = make(window=2)
    reading = asyncio.create_task(session.read(sent(message(*"abcde"))))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    assert session.window.taken == 2


async def test_answers_of_a_list_come_in_its_order() -> None:
    """A unary call's answers are sorted by index, in whichever order they were decided."""
    session = make()
    session.window.taken = 3
    for index in (2, 0, 1):
        session.answer_queue.deliver(answer(index))
    answers = await session.answers_in_order(None)
    assert [settled.waiter.index for settled in answers] == [0, 1, 2]
    assert session.window.answered == 3


async def test_a_session_that_fails_answers_all_that_it_has_read() -> None:
    """After a bug, waiting requests are NOT_ACCEPTED and all others UNKNOWN, with one answer each."""
    session = make()
    session.take("c", dials(2), Priority.NORMAL)
    reading = asyncio.create_task(session.read(sent(message("a"))))
    await asyncio.sleep(0)
    session.fail()
    session.answer_queue.deliver(answer(0))  # a late answer of the core is ignored
    session.fail()
    reading.cancel()
    results = [result async for response in session.responses() for result in response.results]
    told_of = {result.index: result.outcome for result in results}
    assert len(results) == len(told_of) == session.window.taken
    assert (told_of[0], told_of[1]) == (pb.OUTCOME_NOT_ACCEPTED, pb.OUTCOME_NOT_ACCEPTED)


@pytest.mark.parametrize("shares_ledger", [False, True])
async def test_a_name_that_cannot_be_resolved_yet_is_no_denial_in_a_fleet(shares_ledger: bool) -> None:
    """Another replica may know the name, and may have sent the request."""
    claims = World().claims if shares_ledger else None
    session = make(directory=CampaignDirectory(), claims=claims)
    await session.read(sent(message("a", campaign="name:debts")))
    session.close()
    results = [result async for response in session.responses() for result in response.results]
    expected = pb.OUTCOME_UNKNOWN if shares_ledger else pb.OUTCOME_NOT_ACCEPTED
    assert [(one.outcome, one.retry_advice) for one in results] == [(expected, pb.RETRY_ADVICE_SAME_TOKEN)]


async def test_a_request_for_a_name_goes_to_the_campaign_of_that_name() -> None:
    directory = CampaignDirectory()
    directory.publish(CampaignTable([CampaignEntry("id-1", "debts"), CampaignEntry("id-2", "surveys")]))
    session = make(directory=directory)
    session.take("id-2", dials(1), Priority.NORMAL)
    named = pb.StreamDialRequestsRequest(campaign_id="name:debts", dial_requests=dials(1))
    await session.read(sent(named))
    entries = session.source.pending
    assert [entries[index].request.campaign_id for index in (0, 1)] == ["id-2", "id-1"]


async def outcomes_after_a_bug(session: DialSession) -> set[int]:
    session.fail()
    return {result.outcome async for response in session.responses() for result in response.results}


async def test_what_another_replica_may_have_sent_is_unknown_after_a_bug() -> None:
    session = make(claims=World().claims)
    session.take("c", dials(2), Priority.NORMAL)
    assert await outcomes_after_a_bug(session) == {pb.OUTCOME_UNKNOWN}


@pytest.mark.parametrize("in_flight", [False, True])
async def test_what_may_have_been_sent_is_unknown_after_a_bug(in_flight: bool) -> None:
    """Requests in flight, and those in doubt."""
    session, engine = counting()
    session.take("c", dials(25, in_doubt=not in_flight), Priority.NORMAL)
    if in_flight:
        assert engine.poll(SystemClock().now()).batches
    assert await outcomes_after_a_bug(session) == {pb.OUTCOME_UNKNOWN}


class BrokenEngine(Engine):
    """An engine whose `submit` raises an unexpected error."""

    def submit(self, *_: object) -> None:
        raise KeyError


async def test_what_a_bug_kept_from_the_core_is_unknown() -> None:
    """Requests that a bug kept from the core, and all that were read after them, are answered UNKNOWN."""
    session = make(engine=BrokenEngine)
    with pytest.raises(KeyError):
        await session.read(sent(message(*"abc")))
    session.fail()
    results = [result async for response in session.responses() for result in response.results]
    assert [(result.client_token, result.outcome) for result in results] == [
        (token, pb.OUTCOME_UNKNOWN) for token in "abc"
    ]
