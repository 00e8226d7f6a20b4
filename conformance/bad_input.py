"""Scenarios with bad input: a newer gateway, no gateway, and callers that leave, fail or stop reading."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from conformance.caller import Call
from conformance.refusals import unreachable
from conformance.scenarios import Scenario, begun, dials, well
from conformance.worlds import Clients, Findings, all_ended, exactly, holds, meeting, went_well
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import Answers, Received, ScriptedGateway, accepted
from tests.faults.bars import Check, found
from tests.faults.world import world_of
from tests.history.checker import judge
from tests.history.history import History
from tests.ports import reserved_port

NEWER = 42
"""A number that no enum of the contract has yet."""
NEWER_FIELD = b"\xba\x3e\x05newer"
"""A field with number 999, which no message has yet."""
MEMORY_MB = 64.0
OFFERED = 100_000


async def same_token_twice(clients: Clients) -> Findings:
    """One token twice in a stream is dialed once and answered twice; with another number it is refused."""
    async with world_of() as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.send([*dials(1), *dials(1)]))
        await all_ended(calls)
        others = begun(met, lambda caller: caller.send(dials(1, phone="+12025550199")))
        await all_ended(others)
        checks = {
            caller: [
                *well(calls)[caller],
                exactly("accepted", _count(call, outcome="ACCEPTED"), 2),
                exactly("conflicts with another number", _count(others[caller], reason="TOKEN_CONFLICT"), 1),
            ]
            for caller, call in calls.items()
        }
        return met.findings("one token twice in a stream", checks, accepted_percent=None)


def _count(call: Call, **told: str) -> int:
    return sum(all(answer[name] == value for name, value in told.items()) for answer in call.answers)


async def failing_reader(clients: Clients) -> Findings:
    """The error of a reader reaches its caller, and the client works on."""
    async with world_of(rate=10.0) as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.generate(1000, throw_after=5))
        await all_ended(calls)
        later = begun(met, lambda caller: caller.send(dials(5, "later-"), "c2"))
        await all_ended(later)
        checks = {
            caller: [
                holds("its own error arrives", call.error.get("error") == "OWN"),
                went_well(later[caller]),
            ]
            for caller, call in calls.items()
        }
        return met.findings("a reader that fails", checks, accepted_percent=None)


async def leaving_caller(clients: Clients) -> Findings:
    """A caller leaves halfway: the gateway drops what waits, and the client works on."""
    async with world_of(rate=10.0) as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.generate(1000, close_after=50))
        await all_ended(calls)
        later = begun(met, lambda caller: caller.send(dials(5, "later-"), "c2"))
        await all_ended(later)
        dialed = {caller: met.verdict(caller).dials for caller in met.callers}
        checks = {
            caller: [
                went_well(call),
                went_well(later[caller]),
                Check("dials", dialed[caller], "{:.0f}", at_most=900),
            ]
            for caller, call in calls.items()
        }
        return met.findings("a caller that leaves halfway", checks, accepted_percent=None)


async def unread(clients: Clients) -> Findings:
    """A reader stops while 100,000 requests are offered: the client's memory is bounded by its window."""
    async with world_of() as world, meeting(world, clients) as met:
        small = begun(met, lambda caller: caller.generate(2000, "warm-"))
        await all_ended(small)
        before = {caller: await caller.memory_mb() for caller in met.callers}
        calls = begun(
            met, lambda caller: caller.generate(OFFERED, pause_after=100, pause_s=4, close_after=200)
        )
        await asyncio.gather(*(call.until_answers(100) for call in calls.values()))
        await asyncio.sleep(3)
        grown = {caller: await caller.memory_mb() - before[caller] for caller in met.callers}
        await all_ended(calls)
        checks = {
            caller: [
                *well(calls)[caller],
                Check("memory grown, MB", grown[caller], "{:.1f}", at_most=MEMORY_MB),
            ]
            for caller in met.callers
        }
        return met.findings("a reader that stops, 100,000 offered", checks, accepted_percent=None)


async def no_listener(clients: Clients) -> Findings:
    """Nothing listens at the target."""
    with reserved_port() as port:
        return await _without_a_gateway(clients, f"127.0.0.1:{port}", "nothing listens")


async def another_service(clients: Clients) -> Findings:
    """A service that speaks HTTP/1 listens at the target."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        return await _without_a_gateway(clients, f"127.0.0.1:{port}", "a target that is no gateway")


async def _without_a_gateway(clients: Clients, target: str, title: str) -> Findings:
    async with (
        world_of(begun=0, connect_is_up=False) as world,
        meeting(world, clients, target, answers=False) as met,
    ):
        return await unreachable(met, title)


async def newer_gateway(clients: Clients) -> Findings:
    """A gateway with a newer contract: unknown values are UNKNOWN, unknown notices and fields are ignored."""
    async with (
        _scripted() as target,
        world_of(begun=0, connect_is_up=False) as world,
        meeting(world, clients, target) as met,
    ):
        calls = begun(met, lambda caller: caller.send(dials(10)))
        await all_ended(calls)
        title = "a gateway with a newer contract"
        return {
            caller.client: found(title, judge(History()), *_understood(call))
            for caller, call in calls.items()
        }


def _understood(call: Call) -> list[Check]:
    newer = [answer for answer in call.answers if answer["token"] == "d-9"]  # noqa: S105 - of a dial
    return [
        went_well(call),
        exactly("accepted", _count(call, outcome="ACCEPTED"), 9),
        holds("the unknown outcome is UNKNOWN", [answer["outcome"] for answer in newer] == ["UNKNOWN"]),
    ]


@asynccontextmanager
async def _scripted() -> AsyncIterator[str]:
    gateway = ScriptedGateway()
    gateway.script = _newer
    server = await gateway.serve("127.0.0.1:0")
    try:
        yield gateway.target
    finally:
        await server.stop(None)


async def _newer(received: Received, context: object) -> Answers:
    """Accept all requests except the tenth, whose answer only a newer contract knows."""
    notice = pb.Notice(kind=NEWER)  # type: ignore[arg-type]
    yield _with_newer_field(pb.StreamDialRequestsResponse(notice=notice))
    async for pairs in received.messages():
        for index, token in pairs:
            result = accepted(index, token)
            if index == 9:
                result.outcome, result.reason = NEWER, NEWER  # type: ignore[assignment]
                result.retry_advice = NEWER  # type: ignore[assignment]
            yield _with_newer_field(pb.StreamDialRequestsResponse(results=[result]))


def _with_newer_field(message: pb.StreamDialRequestsResponse) -> pb.StreamDialRequestsResponse:
    return pb.StreamDialRequestsResponse.FromString(message.SerializeToString() + NEWER_FIELD)


BAD_INPUT: Mapping[str, Scenario] = {
    "same-token-twice": same_token_twice,
    "failing-reader": failing_reader,
    "leaving-caller": leaving_caller,
    "unread": unread,
    "no-listener": no_listener,
    "another-service": another_service,
    "newer-gateway": newer_gateway,
}
