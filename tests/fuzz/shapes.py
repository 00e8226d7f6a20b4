"""Dial requests of every shape that the contract's messages can carry, for Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from dialgateway.v1 import dial_request_service_pb2 as pb

texts = st.text(st.characters(codec="utf-8"), max_size=30)
tokens = st.one_of(
    st.sampled_from(["a", "b", "c"]), st.from_regex(r"[a-zA-Z0-9_\-.]{1,20}", fullmatch=True), texts
)
phones = st.one_of(st.sampled_from(["+12065550123", "+4930123456"]), texts)
keys = st.one_of(st.from_regex(r"[a-zA-Z0-9\-_]{1,10}", fullmatch=True), texts)
attributes = st.dictionaries(keys, st.one_of(texts, st.just("v" * 33_000)), max_size=4)
seconds = st.one_of(
    st.integers(3_000_000_000, 4_000_000_000),  # soon enough behind any clock of today
    st.integers(-(2**63), 2**63 - 1),
)
nanos = st.one_of(st.just(0), st.integers(-(2**31), 2**31 - 1))
traceparents = st.one_of(st.just(""), st.just(f"00-{'1' * 32}-{'2' * 16}-01"), texts)
campaigns = st.one_of(st.sampled_from(["campaign-a", "campaign-b"]), texts)
priorities = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3)
unknown_fields = st.sampled_from([b"", b"\xa2\x06\x03new", b"\xf8\x07\x01"])
"""What a newer version of the contract may add: fields of numbers that this one does not know."""


@st.composite
def dial_requests(draw: st.DrawFn) -> pb.DialRequest:
    """Make a dial request, in order or not."""
    message = pb.DialRequest(
        client_token=draw(tokens),
        phone_number=draw(phones),
        attributes=draw(attributes),
        traceparent=draw(traceparents),
    )
    if draw(st.integers(0, 9)):
        message.expiration_time.seconds = draw(seconds)
        message.expiration_time.nanos = draw(nanos)
    return message


@st.composite
def lists(draw: st.DrawFn, most: int = 12) -> tuple[bytes, int]:
    """Make the bytes of a message with dial requests; return how many there are as well.

    The messages of both calls have the same fields, so the bytes serve both.
    """
    items = draw(st.lists(dial_requests(), max_size=most))
    priority: Any = draw(priorities)
    message = pb.StreamDialRequestsRequest(
        campaign_id=draw(campaigns), dial_requests=items, priority=priority
    )
    return message.SerializeToString() + draw(unknown_fields), len(items)
