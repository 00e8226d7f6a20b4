"""The limits and the end of one stream. No task runs; a test calls each method."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.answer_queue import RESPONSE_RESULTS
from gateway.api.caller_limits import CallerLimit
from gateway.api.dial_session import DialSession
from gateway.api.gathering import Arrival
from gateway.api.window import AMPLE_ROOM, SHORT
from gateway.connect.fake import FakeConnect
from gateway.connect.retry import RetryingSender
from gateway.core.engine import Engine, Limits
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
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.token_claims import TokenClaims
from gateway.runtime.clock import SystemClock
from gateway.telemetry import Telemetry, telemetry_with
from gateway.telemetry.labels import OTHER
from tests.integration.world import dials
from tests.unit.api.manual_timers import ManualTimers
from tests.unit.fleet.ledger_world import World


def make(
    window: int = 100,
    engine: Callable[..., Engine] = Engine,
    telemetry: Telemetry | None = None,
    claims: TokenClaims | None = None,
    directory: CampaignDirectory = NO_DIRECTORY,
    **limits: Any,
) -> DialSession:
    """Make a session of a gateway whose dispatcher does not run, and whose time stands still."""
    clock, telemetry, rng = SystemClock(), telemetry or telemetry_with(), random.Random(1)
    caller = RetryingSender(FakeConnect(), telemetry, clock.now, rng, expiry_now=clock.epoch_now)
    core = engine(Limits(**limits), rng)
    dispatcher = Dispatcher(core, caller, telemetry, clock.now, gained=clock.gained, claims=claims)
    trace = telemetry.rpc_started("StreamDialRequests", ())
    limit, timers = CallerLimit(10**9), ManualTimers()
    return DialSession(dispatcher, telemetry, clock, trace, window, limit, directory=directory, timers=timers)


def message(*tokens: str, campaign: str = "") -> pb.StreamDialRequestsRequest:
    """Make a message; without a campaign its requests are answered at once."""
    items = [pb.DialRequest(client_token=token) for token in tokens]
    return pb.StreamDialRequestsRequest(campaign_id=campaign, dial_requests=items)


async def sent(*messages: pb.StreamDialRequestsRequest) -> AsyncIterator[bytes]:
    for one in messages:
        yield one.SerializeToString()


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


class CountingEngine(Engine):
    """Notes the client tokens of each submission."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.submitted: list[list[str]] = []

    def submit(self, now: float, arrivals: Sequence[Arrival], priority: Priority = Priority.NORMAL) -> None:
        """Note the tokens, and take them in."""
        self.submitted.append([request.client_token for _, request in arrivals])
        super().submit(now, arrivals, priority)


def counting(**limits: Any) -> tuple[DialSession, CountingEngine]:
    """Make a session, and the engine that it submits to."""
    engines: list[CountingEngine] = []

    def engine(*arguments: Any) -> Engine:
        engines.append(CountingEngine(*arguments))
        return engines[0]

    return make(engine=engine, **limits), engines[0]


async def test_short_messages_that_follow_each_other_are_submitted_together() -> None:
    """Each request keeps its place, and the last ones do not wait once the caller has half-closed."""
    session, engine = counting()
    await session.read(sent(*(message(token) for token in "abcd")))
    assert engine.submitted == [["a"], ["b", "c", "d"]]
    session.close()
    results = [result async for response in session.responses() for result in response.results]
    assert [(result.client_token, result.index) for result in results] == list(
        zip("abcd", range(4), strict=True)
    )


async def test_a_long_message_does_not_overtake_gathered_ones() -> None:
    """A message that is not gathered is submitted after those that came before it."""
    session, engine = counting()
    tokens = [f"t-{number}" for number in range(SHORT + 1)]
    await session.read(sent(message("a"), message("b"), message(*tokens)))
    assert engine.submitted == [["a"], ["b"], tokens]


async def test_nothing_is_gathered_while_the_gateway_has_little_room() -> None:
    """Gathered requests do not count against the room yet, so they could exceed it."""
    session, engine = counting(queue_limit=AMPLE_ROOM - 1)
    await session.read(sent(message("a"), message("b"), message("c")))
    assert engine.submitted == [["a"], ["b"], ["c"]]


async def test_gathered_requests_count_against_the_window() -> None:
    """No more than a window is read, whether it was submitted or not."""
    session = make(window=3)
    reading = asyncio.create_task(session.read(sent(*(message(token) for token in "abcdef"))))
    await asyncio.sleep(0)
    assert session.window.taken == 3
    reading.cancel()


class Pending:
    """A caller's stream that has sent some messages and stays open."""

    def __init__(self, *messages: pb.StreamDialRequestsRequest) -> None:
        self._messages = messages

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for one in sent(*self._messages):
            yield one
        await asyncio.Event().wait()


async def test_gathered_requests_are_submitted_when_the_gateway_leaves() -> None:
    """They were read, so they are answered."""
    session, engine = counting()
    reading = asyncio.create_task(session.read(aiter(Pending(message("a"), message("b"), message("c")))))
    await asyncio.sleep(0)
    assert engine.submitted == [["a"]]
    session.drain()
    reading.cancel()
    await asyncio.wait([reading])
    assert engine.submitted == [["a"], ["b", "c"]]


async def test_gathered_requests_of_a_caller_that_is_gone_are_dropped() -> None:
    """They are not submitted later, and do not count against the limit of the caller any more."""
    session, engine = counting()
    reading = asyncio.create_task(session.read(aiter(Pending(message("a"), message("b"), message("c")))))
    await asyncio.sleep(0)
    reading.cancel()
    session.caller_gone()
    session.drain()  # which would submit them
    assert engine.submitted == [["a"]]
    assert session.window.caller_room == 10**9


async def test_gathered_requests_are_answered_after_a_bug() -> None:
    """They have one answer each: UNKNOWN, since they never came to the core."""
    session, engine = counting()
    reading = asyncio.create_task(session.read(aiter(Pending(message("a"), message("b"), message("c")))))
    await asyncio.sleep(0)
    session.fail()
    reading.cancel()
    await asyncio.wait([reading])
    session.close()
    results = [result async for response in session.responses() for result in response.results]
    assert [result.client_token for result in results] == ["a", "b", "c"]
    assert [result.outcome for result in results][1:] == [pb.OUTCOME_UNKNOWN] * 2
    assert engine.submitted == [["a"]]
