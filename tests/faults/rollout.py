"""A new version is rolled out behind a proxy with mutual TLS, while callers keep dialing."""

import asyncio
import signal
import tempfile
from pathlib import Path

import grpc
import grpc.aio

from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.faults.bars import Check, Finding, found
from tests.faults.callers import steady_callers
from tests.faults.certificates import Certificates
from tests.faults.proxies import Proxy, before
from tests.faults.world import World, world_of
from tests.integration.admin import get

CALLERS = 2
LONGEST_GAP_S = 2.0
BY_THE_GATEWAY = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
"""The codes with which a gateway refuses callers that the proxy has let through."""
SETTLE_S = 1.0
"""Seconds that a new gateway is ready before the next is replaced: a rollout's `minReadySeconds`."""


async def rollout(
    name: str,
    per_s: float = 100.0,
    around_s: float = 5.0,
    settle_s: float = SETTLE_S,
    longest_gap_s: float = LONGEST_GAP_S,
) -> Finding:
    """Both gateways are replaced one after the other by SIGTERM; the proxy lets no unknown caller through.

    Proxy and gateways use mutual TLS between them, and a policy allows the callers that the proxy names.
    `around_s` is how many seconds callers dial before and after.
    """
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        certificates = Certificates.made_in(Path(folder))
        settings = {"drain_grace": "10", **certificates.gateway_settings()}
        async with (
            world_of(gateways=2, rate=20.0, settings=settings) as world,
            before(world, name, certificates, tls_behind=True) as proxy,
        ):
            return await _rolled_out(world, proxy, per_s, around_s, settle_s, longest_gap_s)


async def _rolled_out(
    world: World, proxy: Proxy, per_s: float, around_s: float, settle_s: float, longest_gap_s: float
) -> Finding:
    async with steady_callers(
        proxy.target, world.recorder, CALLERS, per_s=per_s, credentials=proxy.credentials
    ) as callers:
        await asyncio.sleep(around_s)
        codes = [await _replaced(world, proxy, number, settle_s) for number in range(2)]
        await asyncio.sleep(around_s)
    strangers = await let_in(proxy)
    gap_s = max(caller.longest_gap_s for caller in callers)
    return found(
        f"both gateways replaced behind {proxy.name}, mutual TLS, {CALLERS} callers of {per_s:g} a second",
        world.verdict(),
        Check("longest gap between answers, s", gap_s, "{:.2f}", at_most=longest_gap_s),
        Check("gateways that left with exit code 0", codes.count(0), "{:.0f}", at_least=2),
        Check("strangers let in", strangers, "{:.0f}", at_most=0),
        accepted_percent=100.0,
    )


async def _replaced(world: World, proxy: Proxy, number: int, settle_s: float) -> int:
    """Replace a gateway by another on its port, as a rollout does; return the old one's exit code."""
    await proxy.mark(number, down=True)
    code = await world.gateways[number].restart(signal.SIGTERM)
    async with asyncio.timeout(30):
        while (await get(world.admin_ports[number], "/readyz")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await proxy.mark(number, down=False)
    await asyncio.sleep(settle_s)
    return code


async def let_in(proxy: Proxy) -> int:
    """Return how many callers reach a gateway although the proxy should refuse them."""
    assert proxy.certificates is not None
    mine = proxy.certificates
    another = Certificates.made_in(proxy.folder / "another")
    strangers = (mine.without_certificate(), another.caller(believed=mine), None)
    return sum([await _reaches(proxy.target, credentials) for credentials in strangers])


async def _reaches(target: str, credentials: grpc.ChannelCredentials | None) -> bool:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = (
        grpc.aio.insecure_channel(target, options)
        if credentials is None
        else grpc.aio.secure_channel(target, credentials, options)
    )
    async with channel:
        try:
            await async_stub(channel).PutDialRequests(pb.PutDialRequestsRequest(campaign_id="c"), timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code() in BY_THE_GATEWAY
        return True
