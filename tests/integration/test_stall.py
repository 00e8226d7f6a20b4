"""Readiness reports a stall: a gateway that can make no call should get no dial requests."""

import random

from gateway.app import Gateway
from gateway.connect.fake import FakeConnect
from gateway.settings import Settings
from gateway.telemetry import telemetry_with
from tests.integration.admin import get


async def test_a_gateway_whose_threads_all_hang_is_not_ready() -> None:
    """While every thread hangs `/readyz` is 503 and names the threads; afterwards it is 200 again."""
    connect = FakeConnect(stalled=True)
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0")
    gateway = Gateway(settings, connect, telemetry_with(), random.Random(1))
    await gateway.start()
    try:
        page = await get(gateway.admin_port, "/readyz")
        assert page.status == 503
        assert "hang" in page.body
        connect.stalled = False
        assert (await get(gateway.admin_port, "/readyz")).status == 200
    finally:
        await gateway.stop(0.2)
