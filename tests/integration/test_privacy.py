"""Phone numbers and attributes appear in no log, span, error text, detail or repr."""

import asyncio
import re
import signal
from contextlib import suppress
from typing import Any

import grpc.aio
import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.core import errors
from gateway.core.model import Answer, Batch, Entry, FlushReason, Outcome, Source, Waiter, addressed
from gateway.simulator import FaultKind
from tests.integration.admin import get
from tests.integration.process import NO_LIMIT, Served, serving
from tests.integration.world import Caller, World, dial, until, world_of

KEY, VALUE = "Lieblingsfarbe", "Kobaltgruen"
PHONES = ("+491511234567", "+491519876543", "491510000777", "+49-151-0000888")
NEEDLES = (KEY, VALUE, *(phone.lstrip("+") for phone in PHONES), "0000888", "49151")
RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(0x)?[0-9a-f]{16,}\b|\b\d+\.\d+")
"""Ids, times and other numbers, which may contain a short needle by chance. No phone number is as long."""


def found_in(text: str) -> list[str]:
    """Return the private parts that a text contains."""
    told = RANDOM.sub("#", text)
    return [needle for needle in NEEDLES if needle in told]


def test_private_parts_are_found() -> None:
    """The private parts are found in a log, even next to ids with the same digits."""
    ids = "trace_id=4bf92f3577b34da6a349151e0e4736aa 0x00f067aa49151b27 6549151b-7ad6-4716-9203-331000049151"
    assert found_in(f"{ids} 1764349151.123 0.0049151") == []
    for phone in PHONES:
        assert found_in(f'{ids} {{"phone": "{phone}"}}')
    assert found_in(f"{ids} attributes={{{KEY}: {VALUE}}}") == [KEY, VALUE]


def secret(token: str, phone: str = PHONES[0], **changes: Any) -> pb.DialRequest:
    """Make a dial request whose private parts can be recognized anywhere."""
    return dial(token, phone_number=phone, **{"attributes": {KEY: VALUE}, **changes})


def bad_items() -> list[pb.DialRequest]:
    """Return items that are invalid in every way that involves private parts."""
    return [
        secret("bad-1", PHONES[2]),
        secret("bad-2", PHONES[3]),
        secret("bad-3", attributes={f"{KEY} {VALUE}": VALUE}),
        secret("bad-4", attributes={KEY: VALUE * 3000}),
        secret("bad-5", expires_in=-5),
        secret("bad-6", expires_in=3),
        secret("", expires_in=60),
        secret("bad-8", traceparent="malformed"),
    ]


FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "exception", "code": "ValidationException", "message": f"{PHONES[0]} {KEY} {VALUE}", "count": 2},
    {"kind": "exception", "code": "AccessDeniedException", "message": f"{PHONES[0]} {VALUE}", "count": 1},
    {"kind": "exception", "code": "NewException", "status": 500, "message": PHONES[0], "count": 1},
    {"kind": "exception", "code": "NewException", "status": 418, "message": PHONES[0], "count": 2},
    {"kind": "reset", "count": 1},
    {"kind": "no_answer", "count": 1},
    {"kind": "item_failure", "code": "InvalidInput", "count": 1},
    {"kind": "item_failure", "code": "NewFailure", "count": 1},
    {"kind": "item_missing", "count": 1},
)


async def ask(caller: Caller, *requests: pb.DialRequest, campaign: str = "c") -> list[str]:
    """Send requests on a new stream; return every answer as text."""
    return [str(result) for result in await caller.ask(*requests, campaign=campaign)]


async def live(served: Served) -> list[str]:
    """Cause everything that can happen to a dial request; return all that callers received."""
    told = await ask(served.stream(), *(secret(f"t-{n}") for n in range(30)))
    told += await ask(served.stream(), *bad_items(), secret("t-0"), secret("t-0", PHONES[1]), secret("t-1"))
    for number, fault in enumerate(FAULTS):
        await served.control("POST", "faults", fault)
        told += await ask(served.stream(), *(secret(f"f{number}-{n}") for n in range(3)))
        await served.control("DELETE", "faults")
    for state in ("Paused", "Stopped"):
        await served.control("PUT", f"campaigns/{state}", {"state": state})
        told += await ask(served.stream(), secret("s-1", expires_in=6.5), campaign=state)
    told += await broken(served)
    told += [(await get(served.admin_port, path)).body for path in ("/metrics", "/readyz")]
    told.append((await get(served.admin_port, "/metrics", Accept="application/openmetrics-text")).body)
    await served.control("POST", "faults", {"kind": "no_answer"})
    cancelled, last = served.stream(), served.stream()
    await cancelled.send(*(secret(f"x-{n}") for n in range(26)))
    await last.send(*(secret(f"z-{n}") for n in range(25)))
    await served.called(len(await served.calls()) + 1)
    cancelled.call.cancel()
    served.process.send_signal(signal.SIGTERM)
    return told + [str(result) for result in await last.rest()]


async def broken(served: Served) -> list[str]:
    """Send bytes that contain private parts and are no message; return the error."""
    assert served.channel is not None
    method = "/dialgateway.v1.DialRequestService/StreamDialRequests"
    call: Any = served.channel.stream_stream(method)()
    await call.write(b"\xff\xff" + f"{PHONES[0]} {VALUE}".encode())
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return [str(error)]
    return []


@pytest.mark.timed
async def test_nothing_private_is_emitted() -> None:
    """Logs at DEBUG, spans and metrics of a whole session contain no phone number and no attribute."""
    environment = {
        "DIAL_GATEWAY_LOG_LEVEL": "DEBUG",
        "DIAL_GATEWAY_CALL_TIMEOUT": "0.5",
        "DIAL_GATEWAY_MAX_ATTEMPTS": "2",
        "DIAL_GATEWAY_DRAIN_GRACE": "1",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
    }
    async with serving(*NO_LIMIT, environment=environment) as served:
        told = await live(served)
        assert await served.exit_code() == 0
        await until(lambda: b"settled" in served.said)
    said = served.said.decode(errors="replace")
    assert '"level": "debug"' in said
    assert said.count("PutDialRequestBatch") > 10
    assert "dial_gateway.requests.answered" in said
    assert any("dial_gateway_requests_answered_total" in text for text in told)
    assert any(" # {trace_id=" in text for text in told)
    assert found_in(said) == []
    assert len(told) > 80
    assert found_in("\n".join(told)) == []


async def test_nothing_private_is_in_spans_and_details() -> None:
    """Exported spans, and every detail and error text, contain nothing private."""
    async with world_of(max_attempts=2, call_timeout=0.4) as world:
        world.fault(FaultKind.EXCEPTION, code="ValidationException", message=PHONES[0], token="v-1")
        world.fault(FaultKind.RESET, token="r-1")
        results = [
            *await world.ask(*bad_items(), secret("v-1"), secret("v-2")),
            *await world.ask(secret("v-2", PHONES[1]), secret("r-1")),
        ]
        await _cancelled(world)
        await until(lambda: len(world.spans("StreamDialRequests")) == 3)
        emitted = [span.to_json() for span in world.spans()]
    assert len(emitted) > 15
    assert found_in("\n".join([*emitted, *map(str, results)])) == []


async def _cancelled(world: World) -> None:
    caller = world.stream()
    await caller.send(secret("gone"))
    await caller.call.initial_metadata()  # the gateway has started the call
    caller.call.cancel()
    with suppress(asyncio.CancelledError):
        await caller.rest()


async def test_nothing_private_is_in_a_repr() -> None:
    """The repr of every object in the core with a dial request hides its private parts."""
    async with world_of(linger=30.0) as world:
        caller = world.stream()
        await caller.send(*(secret(f"t-{n}") for n in range(3)))
        engine = world.gateway.engine
        await until(lambda: engine.outstanding == 3)
        (entry, *_) = engine._outstanding.all_entries()
        answer = Answer(Outcome.ACCEPTED)
        source = Source()
        things = [
            *(entry.request, entry, entry.waiters, entry.waiters[0].source, entry.queue, engine),
            Entry(entry.request, 0.0, [Waiter(source, 0)]),
            addressed(Waiter(source, 0), entry.request, answer),
            Batch(1, "c", [entry], FlushReason.FULL, 0.0, 0.0, 1),
            *(errors.CampaignNotRunning("Paused"), errors.CallUnexpected()),
        ]
        caller.call.cancel()
        assert found_in("\n".join(f"{thing!r} {thing!s}" for thing in things)) == []
