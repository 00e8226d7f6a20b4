"""Calls that a gateway does not know yet: the client says that it is too old."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from dialgateway import CallFailed, DialGatewayClient, SyncDialGatewayClient
from tests.client.scripted import PHONE, ScriptedGateway
from tests.client.test_dialctl import Dialctl

WORDS = "the gateway is older than this call"


async def test_a_look_up_of_numbers_says_so(gateway: ScriptedGateway, client: DialGatewayClient) -> None:
    """A look-up by a gateway that is too old raises an error with the status for programs."""
    with pytest.raises(CallFailed, match=WORDS) as failed:
        await client.check_numbers([PHONE])
    assert failed.value.code is grpc.StatusCode.UNIMPLEMENTED
    with SyncDialGatewayClient(gateway.target) as sync, pytest.raises(CallFailed, match=WORDS):
        await asyncio.to_thread(sync.check_numbers, [PHONE])


async def test_dialctl_says_so(gateway: ScriptedGateway, tmp_path: Path) -> None:
    """It does not claim anything about the number."""
    dialctl = Dialctl(tmp_path, gateway.target)
    assert await dialctl.wait(await dialctl.start("suppressions", PHONE)) == 1
    assert dialctl.out == ""
    assert WORDS in dialctl.err
