"""What fuzzers run: bytes off the wire, through the conversion and the core, to the bytes of the answers.

Whatever the bytes are: they are no message, or each of its dial requests has exactly one answer.
"""

import random
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire import dial_requests
from gateway.core.engine import Engine, Limits
from gateway.core.model import Settled, Source, Waiter

NOW, AHEAD_S = 1000.0, 1_700_000_000.0 - 1000.0
"""The core's clock, and how the wall clock stands to it: it is 2023 there, for ever."""


def message_of(data: bytes) -> pb.StreamDialRequestsRequest | None:
    """Return the message that the bytes are, or None where they are none."""
    try:
        return pb.StreamDialRequestsRequest.FromString(data)
    except DecodeError:
        return None


def run(data: bytes) -> int:
    """Take bytes in as a stream's message, and answer it; return how many answers there were."""
    message = message_of(data)
    if message is None:
        return 0
    answers = _answers(message)
    assert sorted(settled.waiter.index for settled in answers) == list(range(len(message.dial_requests)))
    responses = dial_requests.responses(answers)
    sent = b"".join(response.SerializeToString() for response in responses)
    assert not answers or sent
    return sum(len(response.results) for response in responses)


def _answers(message: pb.StreamDialRequestsRequest) -> Sequence[Settled]:
    engine, source = Engine(Limits(), random.Random(1)), Source()
    engine.wall_clock_gained(AHEAD_S)
    priority = dial_requests.priority(message.priority)
    arrivals = []
    for index, item in enumerate(message.dial_requests):
        request = dial_requests.dial_request(message.campaign_id, item)
        assert request.size_bytes >= len(item.client_token)
        arrivals.append((Waiter(source, index), request))
    engine.submit(NOW, arrivals, priority)
    engine.poll(NOW)
    engine.abandon(NOW)
    return engine.take_answers(NOW)
