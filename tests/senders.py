"""Both senders under one name, so that every test of one runs with the other as well."""

from typing import Any

import pytest

from gateway.connect.boto_sender import BotoConnect
from gateway.connect.direct_sender import DirectConnect
from gateway.settings import SenderName

SENDERS: tuple[SenderName, ...] = ("boto3", "direct")
VARIABLE = "DIAL_GATEWAY_SENDER"
"""The variable that chooses the sender of gateways which run as processes."""
Sender = BotoConnect | DirectConnect

EACH_SENDER = pytest.mark.parametrize("sender", SENDERS)


def sender_of(name: SenderName, *, calls: int = 2, **options: Any) -> Sender:
    """Make a sender for so many concurrent calls; the other options are the same for both."""
    if name == "boto3":
        return BotoConnect(threads=calls, **options)
    return DirectConnect(calls=calls, **options)


def is_idle(connect: Sender) -> bool:
    """Whether no thread of a sender hangs in an abandoned call."""
    return not isinstance(connect, BotoConnect) or connect.hanging_threads == 0
