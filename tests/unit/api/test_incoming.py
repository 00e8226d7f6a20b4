"""Messages are read part by part: the same requests as protobuf reads at once, in bounded pieces."""

import random
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire import incoming
from gateway.api.wire.incoming import (
    DIAL_REQUEST_BYTES,
    MESSAGE_BYTES,
    NOT_READABLE,
    PART,
    SMALL_BYTES,
    TOO_LARGE,
    Incoming,
    TooLargeError,
    Unreadable,
    UnreadableError,
)
from gateway.api.wire.scan import FIELDS_AT_ONCE, MalformedError, find_requests
from tests.cases import cases
from tests.fuzz import shapes
from tests.integration.world import dial, dials

EMPTY_ITEM = b"\x12\x00"


def message(*items: pb.DialRequest, campaign: str = "c", priority: int = 0) -> bytes:
    made = pb.StreamDialRequestsRequest(
        campaign_id=campaign,
        dial_requests=items,
        priority=priority,  # type: ignore[arg-type]
    )
    return made.SerializeToString()


def parts_of(raw: bytes, limit: int = PART) -> list[list[pb.DialRequest] | Unreadable]:
    """Return the parts of a message, the empty ones left out."""
    reading = Incoming(raw)
    parts: list[list[pb.DialRequest] | Unreadable] = []
    while not reading.ended:
        part = reading.part(limit)
        if isinstance(part, Unreadable):
            parts.append(part)
        elif part:
            parts.append(list(part))
    return parts


def all_of(raw: bytes, limit: int = PART) -> list[pb.DialRequest | Unreadable]:
    """Return the requests of a message one by one."""
    found: list[pb.DialRequest | Unreadable] = []
    for part in parts_of(raw, limit):
        found += [part] if isinstance(part, Unreadable) else part
    return found


def item(payload: bytes) -> bytes:
    """Return the field of a dial request with such a payload."""
    size, encoded = len(payload), b""
    while size > 127:
        encoded, size = encoded + bytes([size & 127 | 128]), size >> 7
    return b"\x12" + encoded + bytes([size]) + payload


def long_message(*fields: bytes) -> bytes:
    """Return a message with these fields that is too long to be parsed at once."""
    return message(*dials(1000)) + b"".join(fields)


@settings(max_examples=cases(30, 100))
@given(shapes.lists(40), st.integers(1, 50), st.booleans())
def test_parts_hold_what_the_message_holds(made: tuple[bytes, int], limit: int, scan: bool) -> None:
    """A message that is read in parts gives the same requests as one that is parsed at once."""
    raw, count = made
    if scan:
        unknown = b"\x4a\x80\x80\x01" + bytes(SMALL_BYTES)
        raw = item(dials(1)[0].SerializeToString()) + unknown + raw
        count += 1
    whole = pb.StreamDialRequestsRequest.FromString(raw)
    reading = Incoming(raw)
    assert (reading.campaign_id, reading.priority) == (whole.campaign_id, whole.priority)
    assert list(reading.counts(10**6))[-1] == count
    assert all_of(raw, limit) == list(whole.dial_requests)


def test_parts_are_bounded() -> None:
    """A part has at most 500 requests, and at most 64 KiB unless it is one request."""
    many = parts_of(message(*dials(3 * PART)))
    assert max(len(part) for part in many if not isinstance(part, Unreadable)) <= PART
    large = parts_of(message(*(dial(f"t-{n}", attributes={"k": "v" * 20_000}) for n in range(20))))
    assert [len(part) for part in large] == [3, 3, 3, 3, 3, 3, 2]
    assert len(parts_of(message(*dials(10)), limit=3)) == 4


def test_campaign_and_priority_may_stand_behind_the_requests() -> None:
    """The last value of a field counts, at any position, as protobuf specifies."""
    raw = long_message(message(campaign="last", priority=3))
    reading = Incoming(raw)
    assert (reading.campaign_id, reading.priority) == ("last", 3)
    assert len(all_of(raw)) == 1000


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x02\xc3\x28", b"\x1a\x01\xff", b"\x0a\x05ab"])
@pytest.mark.parametrize("long", [True, False])
def test_a_broken_request_is_told_by_itself(payload: bytes, long: bool) -> None:
    """A request that protobuf cannot read is reported alone, in its place; the others are read."""
    before, after = message(dial("before")), message(dial("after"))
    raw = (long_message() if long else b"") + before + item(payload) + after
    found = all_of(raw)[-3:]
    assert found[1] == Unreadable("", NOT_READABLE)
    assert [each.client_token for each in found] == ["before", "", "after"]


def test_a_broken_request_keeps_its_token_where_that_can_be_read() -> None:
    broken = pb.DialRequest(client_token="t-1").SerializeToString() + b"\x12\x02\xc3\x28"
    assert all_of(item(broken)) == [Unreadable("t-1", NOT_READABLE)]
    assert all_of(item(broken) + message(campaign="behind it")) == [Unreadable("t-1", NOT_READABLE)]


def test_a_broken_request_keeps_its_doubt() -> None:
    """Its refusal must not say that Amazon Connect has nothing of an earlier attempt."""
    broken = pb.DialRequest(client_token="t-1", in_doubt=True).SerializeToString() + b"\x12\x02\xc3\x28"
    assert all_of(item(broken)) == [Unreadable("t-1", NOT_READABLE, in_doubt=True)]


def test_a_request_that_is_too_large_is_told_by_itself() -> None:
    """One byte above the limit it is not parsed; at the limit it is."""
    at_limit, above = pb.DialRequest(client_token="t-1"), pb.DialRequest(client_token="t-2")
    room = DIAL_REQUEST_BYTES - at_limit.ByteSize()
    for one, size in ((at_limit, room), (above, room + 1)):
        one.phone_number = "1" * (size - 4)
    assert (at_limit.ByteSize(), above.ByteSize()) == (DIAL_REQUEST_BYTES, DIAL_REQUEST_BYTES + 1)
    found = all_of(message(dial("first"), at_limit, above, dial("last")))
    assert [each.client_token for each in found] == ["first", "t-1", "t-2", "last"]
    assert found[2] == Unreadable("t-2", TOO_LARGE)


@pytest.mark.parametrize(
    "raw", [b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xc3\x28", b"\x12\x05ab"]
)
@pytest.mark.parametrize("long", [True, False])
def test_bytes_that_are_no_message(raw: bytes, long: bool) -> None:
    """What breaks the message itself is reported before any of it is taken."""
    with pytest.raises(UnreadableError):
        Incoming((long_message() if long else b"") + raw)


def test_a_group_is_not_read() -> None:
    """The contract has no groups. A long message with a group is unreadable from there on."""
    with pytest.raises(UnreadableError):
        all_of(long_message(b"\x4b\x4c"))


def test_a_cut_is_bounded() -> None:
    """One cut finds a bounded number of requests, and passes over a bounded number of other fields."""
    assert find_requests(EMPTY_ITEM * 10**6, 0, 500, 10**9) == (500, 2, 1000, 1000)
    with pytest.raises(MalformedError):
        find_requests(b"\x48\x00" * FIELDS_AT_ONCE, 0, 500, 10**9)


def test_very_many_unknown_fields_are_not_read() -> None:
    """A few hundred unknown fields are passed over; two million make a message unreadable."""
    assert len(all_of(long_message(b"\x48\x00" * 500))) == 1000
    with pytest.raises(UnreadableError):
        all_of(b"\x48\x00" * 2_000_000)


@settings(max_examples=cases(100, 300))
@given(st.binary(max_size=60))
def test_a_cut_of_any_bytes_ends(raw: bytes) -> None:
    """A cut of arbitrary bytes advances to the end, or reports them as malformed."""
    at = 0
    try:
        while at < len(raw):
            found = find_requests(raw, at, 3, 20)
            assert found.end > at
            at = found.end
    except MalformedError:
        pass


def test_counting_ends_behind_the_limit() -> None:
    """Two million empty requests are counted as far as the limit only."""
    reading = Incoming(EMPTY_ITEM * 2_000_000)
    counts = list(reading.counts(5000))
    assert counts == sorted(counts)
    assert 5000 < counts[-1] <= 5000 + PART


def test_no_piece_of_work_takes_long() -> None:
    """No message of the maximum size needs a step of more than 50 ms of CPU, whatever it contains."""
    keys = "".join(f"{number:05d}" for number in range(20_000))
    entries = [(f"{number:x}", "") for number in range(20_000)]
    many_keys = pb.DialRequest(client_token="t", attributes=dict(entries))
    payloads = (
        b"\x22\x00" * 130_000,  # empty entries of a map
        many_keys.SerializeToString(),
        b"\x48\x00" * 130_000,  # unknown fields
        b"\x0a\x00" * 130_000,  # one field again and again
        pb.DialRequest(traceparent=keys).SerializeToString(),
    )
    fields = (EMPTY_ITEM, b"\x48\x00", *(item(payload) for payload in payloads))
    for field in fields:
        raw = field * (MESSAGE_BYTES // len(field))
        assert any(_longest_step(raw) < 0.05 for _ in range(3)), field[:10]


def _longest_step(raw: bytes) -> float:
    """Return the most seconds of CPU that one step of reading took."""
    began = time.process_time()
    reading = Incoming(raw)
    longest = time.process_time() - began
    for _ in range(100):
        if reading.ended:
            break
        began = time.process_time()
        with suppress(UnreadableError):
            reading.part(PART)
        longest = max(longest, time.process_time() - began)
    return longest


def test_the_parts_of_messages_follow_the_contract() -> None:
    """Both calls have the same fields with the same numbers, on which the reading relies."""
    numbers = {"campaign_id": 1, "dial_requests": 2, "priority": 3}
    for made in (pb.StreamDialRequestsRequest, pb.PutDialRequestsRequest):
        assert {field.name: field.number for field in made.DESCRIPTOR.fields} == numbers


def test_random_lists_at_every_size() -> None:
    """Lists around the size limits of the parser are read correctly."""
    rng = random.Random(1)
    for count in (0, 1, PART - 1, PART, PART + 1, 2 * PART):
        for length in (0, 30, SMALL_BYTES // PART):
            items = [dial(f"t-{n}", attributes={"k": "v" * rng.randint(0, length)}) for n in range(count)]
            assert all_of(message(*items)) == items
    assert incoming.DIAL_REQUEST_BYTES < MESSAGE_BYTES


def test_a_message_above_the_limit_is_not_read() -> None:
    """The limit is exact, and applies before anything is parsed."""
    assert not Incoming(b"\x12\x00" * (MESSAGE_BYTES // 2)).ended
    with pytest.raises(TooLargeError):
        Incoming(b"\xff" * (MESSAGE_BYTES + 1))
