"""`make fuzz`: atheris searches for messages that the conversion of the wire, or the core, cannot take.

Takes libFuzzer's options, such as `-max_total_time=60`, and a folder for what it finds. Half of the
inputs are taken as the bytes of a message, half as the recipe of one: those come further.
"""

import sys

import atheris

from dialgateway.v1 import dial_request_service_pb2 as pb

with atheris.instrument_imports(include=["gateway.api.wire.dial_requests", "gateway.core"]):
    from tests.fuzz import target

MOST = 30


def take(data: bytes) -> None:
    """Run one input."""
    if data[:1] < b"\x80":
        target.run(data[1:])
        return
    message = message_from(atheris.FuzzedDataProvider(data[1:]))
    assert target.run(message.SerializeToString()) == len(message.dial_requests)


def message_from(recipe: "atheris.FuzzedDataProvider") -> pb.StreamDialRequestsRequest:
    """Make the message that a recipe describes."""
    message = pb.StreamDialRequestsRequest(
        campaign_id=_text(recipe), priority=recipe.ConsumeIntInRange(-(2**31), 2**31 - 1)
    )
    while recipe.remaining_bytes() and len(message.dial_requests) < MOST:
        item = message.dial_requests.add(
            client_token=_text(recipe), phone_number=_text(recipe), traceparent=_text(recipe)
        )
        if recipe.ConsumeBool():
            item.expiration_time.seconds = recipe.ConsumeInt(8)
            item.expiration_time.nanos = recipe.ConsumeInt(4)
        for _ in range(recipe.ConsumeIntInRange(0, 3)):
            item.attributes[_text(recipe)] = _text(recipe)
    return message


def _text(recipe: "atheris.FuzzedDataProvider") -> str:
    return str(recipe.ConsumeUnicodeNoSurrogates(recipe.ConsumeIntInRange(0, 40)))


if __name__ == "__main__":
    atheris.Setup(sys.argv, take)
    atheris.Fuzz()
