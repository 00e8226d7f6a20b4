"""One trace as a tree of text: the stream, a dial request of it, and the call that carried it."""

from collections.abc import Iterator, Sequence

from gateway.telemetry import ReadableSpan


def trace_tree(spans: Sequence[ReadableSpan]) -> Iterator[str]:
    """Yield lines that show the first accepted dial request among `spans` with all that belongs to it."""
    by_id = {span.context.span_id: span for span in spans if span.context is not None}
    request = next((span for span in spans if _attribute(span, "outcome") == "ACCEPTED"), None)
    stream = by_id.get(request.parent.span_id) if request is not None and request.parent else None
    if request is None or stream is None:
        yield "no trace of an accepted dial request"
        return
    yield f"one trace: {_trace_id(stream)}"
    yield f"{stream.name}  {_duration(stream)}  {_attribute(stream, 'requests'):,} dial requests"
    yield f"└─ {request.name} {_attribute(request, 'client_token')}  {_duration(request)}"
    for event in request.events:
        after_ms = (event.timestamp - (request.start_time or 0)) / 1e6
        notes = ", ".join(
            f"{key.rpartition('.')[2]}={value!s}" for key, value in (event.attributes or {}).items()
        )
        yield f"   ├─ {event.name:8} +{after_ms:.1f} ms  {notes}".rstrip()
    for link in request.links:
        call = by_id.get(link.context.span_id)
        if call is not None:
            yield from _call(call)


def _call(call: ReadableSpan) -> Iterator[str]:
    yield f"   └─ link to {call.name}  {_duration(call)}  trace {_trace_id(call)}"
    yield f"      {_attribute(call, 'batch.items')} items, attempt {_attribute(call, 'attempt')}"
    yield f"      AWS request {(call.attributes or {}).get('aws.request_id')}, {len(call.links)} links back"


def _attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(f"dialgateway.{name}")


def _duration(span: ReadableSpan) -> str:
    return f"{((span.end_time or 0) - (span.start_time or 0)) / 1e6:,.1f} ms"


def _trace_id(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}" if span.context is not None else "?"
