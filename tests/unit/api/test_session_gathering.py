"""Short messages of a stream are gathered, and submitted together."""

import asyncio
from collections.abc import AsyncIterator

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.window import AMPLE_ROOM, SHORT
from tests.unit.api.session_bench import counting, make, message, sent


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
