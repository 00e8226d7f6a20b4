"""Every answer names the trace of the call that decided it; and the tree of spans."""

import re

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from gateway.simulator import FaultKind
from tests.integration.world import World, WorldOptions, dial, dials, until, verdict, verdicts, world_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER = f"00-{OTHER_TRACE}-b7ad6b7169203331-01"
CALL, REQUEST, STREAM = "PutDialRequestBatch", "dial request", "StreamDialRequests"
MALFORMED = [
    "garbage",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE[:-1]}g-{SPAN}-01",
    SAMPLED * 100,
]


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def trace_of(span: ReadableSpan) -> str:
    return f"{context_of(span).trace_id:032x}"


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


def id_of(span: ReadableSpan) -> int:
    return context_of(span).span_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


async def stream_span(world: World) -> ReadableSpan:
    await until(lambda: world.spans(STREAM))
    (span,) = world.spans(STREAM)
    return span


async def test_a_request_with_its_own_context(world: World) -> None:
    """A request's span is in the trace of its traceparent, linked with its stream and its call."""
    (result,) = await world.ask(dial("a", traceparent=SAMPLED))
    stream, (request,), (call,) = await stream_span(world), world.spans(REQUEST), world.spans(CALL)
    assert (trace_of(request), parent_of(request)) == (TRACE, int(SPAN, 16))
    assert linked(request) == {id_of(stream), id_of(call)}
    assert linked(call) == {id_of(request)}
    assert result.trace_id == trace_of(call) not in {TRACE, trace_of(stream)}
    assert [event.name for event in request.events] == ["queued", "sealed", "attempt", "settled"]
    assert (call.kind, stream.kind) == (SpanKind.CLIENT, SpanKind.SERVER)
    assert attribute(request, "dialgateway.outcome") == "ACCEPTED"


async def test_a_call_names_its_items_and_its_request_id(world: World) -> None:
    """A call's span counts its items, accepted and failed, and has AWS's request id."""
    world.fault(FaultKind.ITEM_FAILURE, code="InvalidInput", token="t-1")
    await world.ask(*dials(3))
    ((call,), (record,)) = world.spans(CALL), world.calls()
    assert attribute(call, "aws.request_id") == record.request_id
    items = [
        attribute(call, f"dialgateway.{name}") for name in ("batch.items", "items.accepted", "items.failed")
    ]
    assert items == [3, 2, 1]
    assert len(linked(call)) == 3


async def test_the_context_of_the_stream(world: World) -> None:
    """A stream's span is in the trace of its metadata; requests without a context are its children."""
    caller = world.stream(metadata=(("traceparent", OTHER),))
    results = await caller.ask(dial("a"), dial("b", traceparent=SAMPLED))
    stream = await stream_span(world)
    requests = {attribute(span, "dialgateway.client_token"): span for span in world.spans(REQUEST)}
    assert trace_of(stream) == OTHER_TRACE
    assert (trace_of(requests["a"]), parent_of(requests["a"])) == (OTHER_TRACE, id_of(stream))
    assert trace_of(requests["b"]) == TRACE
    assert {result.trace_id for result in results} == {trace_of(world.spans(CALL)[0])}
    assert attribute(stream, "dialgateway.requests") == attribute(stream, "dialgateway.answers") == 2


async def test_a_malformed_context_is_ignored(world: World) -> None:
    """A malformed traceparent, in request or metadata, is ignored; the request is accepted."""
    for number, traceparent in enumerate(MALFORMED):
        caller = world.stream(metadata=(("traceparent", traceparent),))
        assert verdicts(await caller.ask(dial(f"t-{number}", traceparent=traceparent))) == ["ACCEPTED"]
        stream, (request,) = await stream_span(world), world.spans(REQUEST)
        assert stream.parent is None, traceparent
        assert parent_of(request) == id_of(stream)
        world.exporter.clear()


async def test_a_context_that_is_not_sampled(world: World) -> None:
    """A request whose context is not sampled has no span; an answer without a call still names its trace."""
    results = await world.ask(
        dial("a", traceparent=UNSAMPLED), dial("b", phone_number="", traceparent=UNSAMPLED)
    )
    await stream_span(world)
    assert world.spans(REQUEST) == []
    (call,) = world.spans(CALL)
    assert [result.trace_id for result in results] == [trace_of(call), TRACE]
    assert linked(call) == set()


async def test_a_stream_that_is_not_sampled(world: World) -> None:
    """In an unsampled stream only requests with a sampled context of their own have spans."""
    caller = world.stream(metadata=(("traceparent", UNSAMPLED),))
    await caller.ask(dial("a"), dial("b", traceparent=OTHER))
    await caller.status()
    assert [attribute(span, "dialgateway.client_token") for span in world.spans(REQUEST)] == ["b"]


async def test_each_attempt_has_a_span(world: World) -> None:
    """Each attempt has a CLIENT span with its number, all in one trace; failed ones have status error."""
    world.fault(FaultKind.EXCEPTION, code="InternalServerException", count=2)
    (result,) = await world.ask(dial("a"))
    await stream_span(world)
    calls, (request,) = world.spans(CALL), world.spans(REQUEST)
    assert [attribute(call, "dialgateway.attempt") for call in calls] == [1, 2, 3]
    assert {trace_of(call) for call in calls} == {result.trace_id}
    assert [call.status.status_code for call in calls] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    assert attribute(calls[0], "error.type") == "ConnectFailed"
    assert {id_of(call) for call in calls} <= linked(request)
    assert all(id_of(request) in linked(call) for call in calls)


async def test_a_request_in_several_calls(world: World) -> None:
    """A requeued request is linked with each of its calls; its answer names the deciding one."""
    world.fault(FaultKind.ITEM_FAILURE, code="UnknownError", token="a", count=1)
    (result,) = await world.ask(dial("a"))
    await stream_span(world)
    (first, second), (request,) = world.spans(CALL), world.spans(REQUEST)
    assert trace_of(first) != trace_of(second) == result.trace_id
    assert {id_of(first), id_of(second)} <= linked(request)
    assert attribute(request, "dialgateway.attempts") == 2


async def test_requests_that_join_are_linked_too(world: World) -> None:
    """All requests that share a token in one call are linked with that call."""
    results = await world.ask(dial("a", traceparent=SAMPLED), dial("a", traceparent=OTHER))
    await stream_span(world)
    (call,) = world.spans(CALL)
    assert {trace_of(request) for request in world.spans(REQUEST)} == {TRACE, OTHER_TRACE}
    assert linked(call) == {id_of(request) for request in world.spans(REQUEST)}
    assert {result.trace_id for result in results} == {trace_of(call)}


async def test_an_answer_without_a_call(world: World) -> None:
    """An answer without a call names the request's own trace, and its span says what was answered."""
    results = await world.ask(dial("a", phone_number="1", traceparent=SAMPLED), dial("b", expires_in=3))
    stream = await stream_span(world)
    assert [result.trace_id for result in results] == [TRACE, trace_of(stream)]
    outcomes = [attribute(span, "dialgateway.outcome") for span in world.spans(REQUEST)]
    assert sorted(map(str, outcomes)) == ["EXPIRED", "REJECTED"]


async def test_spans_end_when_their_caller_leaves() -> None:
    """The spans of dropped requests and of their stream end when their caller leaves."""
    async with world_of(linger=30.0) as world:
        caller = world.stream()
        await caller.send(*dials(3))
        await until(lambda: world.gateway.engine.outstanding == 3)
        caller.call.cancel()
        await stream_span(world)
        assert [span.events[-1].name for span in world.spans(REQUEST)] == ["dropped"] * 3


async def test_a_unary_call_is_traced_too(world: World) -> None:
    """A unary call has its span and its requests' spans, as a stream has."""
    (result,) = await world.put(dial("a"))
    await until(lambda: world.spans("PutDialRequests"))
    (rpc,), (request,) = world.spans("PutDialRequests"), world.spans(REQUEST)
    assert parent_of(request) == id_of(rpc)
    assert result.trace_id == trace_of(world.spans(CALL)[0])


async def test_trace_ids_are_real_without_an_exporter() -> None:
    """Without an exporter nothing is recorded, and answers still name real traces."""
    async with world_of(WorldOptions(tracing=False)) as world:
        first = await world.ask(dial("a"), dial("b", phone_number="", traceparent=SAMPLED))
        second = await world.ask(dial("c"), dial("d", phone_number=""))
        trace_ids = [result.trace_id for result in (*first, *second)]
        assert all(re.fullmatch("[0-9a-f]{32}", trace_id) and int(trace_id, 16) for trace_id in trace_ids)
        assert trace_ids[1] == TRACE
        assert len(set(trace_ids)) == 4
        assert [verdict(result) for result in first] == ["ACCEPTED", "REJECTED INVALID_REQUEST NEVER"]
        assert world.spans() == []
