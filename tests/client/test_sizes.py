"""Requests and lists that are too large: only these are refused, and no message ends its stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from dialgateway import (
    DialGatewayClient,
    DialRequest,
    DialResult,
    Outcome,
    RetryAdvice,
    SyncDialGatewayClient,
)
from dialgateway import _wire as sizes
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, SECRET, Answers, Received, ScriptedGateway
from tests.integration.world import World, world_of

KIB = 1024


@pytest.fixture
def until() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=5)


def of_size(
    token: str, size: int, until: datetime, *, text: str = "x", in_doubt: bool = False
) -> DialRequest:
    """Make a request with attributes of about `size` bytes in UTF-8, each within Connect's limit."""
    count = size // len(text.encode())
    attributes = {f"a{first}": text * min(10_000, count - first) for first in range(0, count, 10_000)}
    return DialRequest(token, PHONE, until, attributes, in_doubt=in_doubt)


def mixed(until: datetime) -> list[DialRequest]:
    """Make 300 requests; the 150th is too large for any message."""
    dials = [DialRequest(f"t-{number}", PHONE, until) for number in range(300)]
    dials[150] = of_size("t-150", 5 * KIB * KIB, until)
    return dials


def only_one_refused(results: list[DialResult]) -> None:
    assert [result.client_token for result in sorted(results, key=lambda each: each.index)] == [
        f"t-{number}" for number in range(300)
    ]
    assert Counter(result.outcome for result in results) == {Outcome.ACCEPTED: 299, Outcome.REJECTED: 1}
    (refused,) = [result for result in results if not result.accepted]
    assert (refused.index, refused.reason) == (150, "INVALID_REQUEST")
    assert refused.retry_advice is RetryAdvice.NEVER
    assert refused.detail.startswith(
        "dial_requests: a request must take at most 262,144 bytes, this one takes 5,"
    )
    assert PHONE not in repr(refused)


async def test_only_the_request_that_is_too_large_is_refused(until: datetime) -> None:
    """A real gateway accepts the 299 others over one stream; the large one's answer names the rule."""
    async with world_of() as gateway, DialGatewayClient(gateway.target) as client, asyncio.timeout(30):
        only_one_refused([result async for result in client.dial("c", mixed(until))])


async def test_the_synchronous_client_refuses_only_the_request_that_is_too_large(until: datetime) -> None:
    """The same from the synchronous client."""

    def dial(gateway: World) -> list[DialResult]:
        with SyncDialGatewayClient(gateway.target) as client:
            return list(client.dial("c", mixed(until)))

    async with world_of() as gateway, asyncio.timeout(30):
        only_one_refused(await asyncio.to_thread(dial, gateway))


async def test_a_request_that_is_too_large_needs_no_connection(
    gateway: ScriptedGateway, client: DialGatewayClient, until: datetime
) -> None:
    """It is answered at once; if it is in doubt, the answer is not a refusal."""
    dials = [of_size("a", KIB * KIB, until), of_size("b", KIB * KIB, until, in_doubt=True)]
    async with asyncio.timeout(10):
        outcomes = [result.outcome async for result in client.dial("c", dials)]
    assert outcomes == [Outcome.REJECTED, Outcome.UNKNOWN]
    assert gateway.probes == 0


async def test_wide_characters_count_by_their_bytes(until: datetime) -> None:
    """The size counts in UTF-8 bytes, not characters; a real gateway accepts a request at the limit."""
    fits = of_size("fits", 250 * KIB, until, text="é")
    wide = of_size("wide", 300 * KIB, until, text="😀")
    assert sum(map(len, wide.attributes.values())) < 100_000
    async with world_of() as gateway, DialGatewayClient(gateway.target) as client, asyncio.timeout(30):
        outcomes = {result.client_token: result.outcome async for result in client.dial("c", [fits, wide])}
    assert outcomes == {"fits": Outcome.ACCEPTED, "wide": Outcome.REJECTED}


async def test_large_requests_are_sent_in_small_messages(
    gateway: ScriptedGateway, client: DialGatewayClient, until: datetime
) -> None:
    """Large but valid requests are distributed over as many messages as necessary."""
    seen: list[int] = []

    async def measure(received: Received, context: object) -> Answers:
        index = 0
        async for message in received._messages:
            seen.append(message.ByteSize())
            for each in message.dial_requests:
                yield pb.StreamDialRequestsResponse(
                    results=[
                        pb.DialResult(
                            client_token=each.client_token, index=index, outcome=pb.OUTCOME_ACCEPTED
                        )
                    ]
                )
                index += 1

    gateway.script = measure
    dials = [of_size(f"t-{number}", 240 * KIB, until, text="é") for number in range(30)]
    assert len([result async for result in client.dial("c", dials)]) == 30
    assert len(seen) >= 7
    assert max(seen) <= sizes.USUAL_MESSAGE_BYTES


def test_the_size_bound_of_a_request_holds(until: datetime) -> None:
    """The stated upper bound of a request's size is never below its real size."""
    for made in (
        DialRequest("t", PHONE, until),
        DialRequest("t" * 200, PHONE, until, traceparent="00-" + "a" * 52, in_doubt=True),
        DialRequest("t", PHONE, until, {f"k{number}": "" for number in range(1000)}),
        DialRequest("é" * 40_000, PHONE, until, {"😀": "é" * 30_000}),
        of_size("t", 3 * KIB * KIB, until),
    ):
        assert sizes.size_of(made) <= made.max_bytes


class TestPut:
    """A list that is too large for one message raises ValueError, and nothing of it is sent."""

    @pytest.mark.parametrize("count", [1, 40])
    async def test_a_list_that_is_too_large_is_refused(
        self, gateway: ScriptedGateway, client: DialGatewayClient, until: datetime, count: int
    ) -> None:
        dials = [of_size(f"t-{number}", 5 * KIB * KIB // count, until) for number in range(count)]
        with pytest.raises(ValueError, match="4,194,304") as caught:
            await client.put("c", dials, timeout=5)
        assert PHONE not in str(caught.value)
        assert SECRET not in str(caught.value)
        assert not gateway.opened.is_set()
        assert gateway.probes == 0

    def test_the_synchronous_client_refuses_a_list_that_is_too_large(
        self, gateway_elsewhere: ScriptedGateway, until: datetime
    ) -> None:
        with (
            SyncDialGatewayClient(gateway_elsewhere.target) as client,
            pytest.raises(ValueError, match="send it by dial"),
        ):
            client.put("c", [of_size("t", 5 * KIB * KIB, until)], timeout=5)
        assert gateway_elsewhere.probes == 0

    async def test_a_list_just_below_the_limit_is_sent(self, until: datetime) -> None:
        """Just below 4 MiB it is taken, and its answers arrive."""
        dials = [of_size(f"t-{number}", 200 * KIB, until) for number in range(20)]
        async with world_of() as gateway, DialGatewayClient(gateway.target) as client:
            assert all(result.accepted for result in await client.put("c", dials, timeout=20))


async def test_refusals_of_overlong_tokens_arrive(until: datetime) -> None:
    """Refusals repeat their tokens; many overlong ones do not make the answer too large to receive."""
    dials = [DialRequest("t" * (100 * KIB) + str(number), PHONE, until) for number in range(300)]
    async with world_of() as gateway, DialGatewayClient(gateway.target) as client, asyncio.timeout(60):
        outcomes = Counter([result.outcome async for result in client.dial("c", dials)])
    assert outcomes == {Outcome.REJECTED: 300}
