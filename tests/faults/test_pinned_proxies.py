"""Caddy and Traefik with the published configurations: callers, long streams, dead gateways."""

import asyncio
import time
from collections import Counter
from ipaddress import ip_network
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from benchmarks.stub import async_stub
from dialgateway import DialGatewayClient, DialResult
from dialgateway.retry import RECONNECT_STATUSES
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.certificate import names_in
from gateway.access.identity import CallerEvidence, identify
from tests.client.processes import world
from tests.client.scripted import ScriptedGateway, accept_and_stay, requests, serving
from tests.faults.any_proxy import NO_IDENTITIES, always_ready, first_call
from tests.faults.certificates import CALLER, Certificates
from tests.faults.path import path_to
from tests.faults.pinned_proxies import FILES, absent, proxied_by
from tests.faults.proxies import CONFIGURATIONS, TLS_FOLDER, Upstream, gateways_of
from tests.faults.test_proxies import FORGED, Listener, listening
from tests.faults.world import world_of

if TYPE_CHECKING:
    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent())
NAMES = tuple(FILES)
SILENCE_S = 2.0
COUNT = 2000


@pytest.mark.parametrize("name", NAMES)
async def test_the_gateway_gets_the_callers_identity(name: str, tmp_path: Path) -> None:
    """A forged identity reaches no gateway; the caller's certificate does, but not behind Traefik."""
    listener: Listener
    certificates = Certificates.made_in(tmp_path / "tls")
    async with (
        listening() as (listener, upstream),
        proxied_by(name, tmp_path, upstream, certificates=certificates) as proxy,
        grpc.aio.secure_channel(proxy.target, certificates.caller()) as secure,
        grpc.aio.insecure_channel(proxy.plain_target) as plain,
    ):
        await first_call(plain, FORGED)
        assert listener.told in ([], [""])
        listener.told.clear()
        await first_call(secure, FORGED)
    if name not in NO_IDENTITIES:
        shown = CallerEvidence("ipv4:127.0.0.1:1", forwarded=listener.told)
        assert identify(shown, [ip_network("127.0.0.0/8")], names_in).identity == CALLER
    else:
        assert listener.told in ([], [""])


@pytest.mark.parametrize("name", NAMES)
async def test_callers_without_a_certificate_are_refused(name: str, tmp_path: Path) -> None:
    """A caller without a certificate is refused in the handshake."""
    certificates = Certificates.made_in(tmp_path / "tls")
    async with (
        listening() as (listener, upstream),
        proxied_by(name, tmp_path, upstream, certificates=certificates) as proxy,
        grpc.aio.secure_channel(proxy.target, certificates.caller()) as friend,
        grpc.aio.secure_channel(proxy.target, certificates.without_certificate()) as channel,
    ):
        await first_call(friend)  # its certificate and its rules are loaded from here on
        listener.told.clear()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await async_stub(channel).PutDialRequests(pb.PutDialRequestsRequest(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not listener.told


@pytest.mark.timed
async def test_envoy_with_mutual_tls_towards_the_gateways(tmp_path: Path) -> None:
    """The lines that Envoy's file has for it in comments: the gateway learns who a caller is."""
    certificates = Certificates.made_in(tmp_path / "tls")
    async with (
        world_of(settings=certificates.gateway_settings()) as world,
        proxied_by(
            "envoy",
            tmp_path,
            *gateways_of(world),
            certificates=certificates,
            more=_without_marks(certificates.folder),
        ) as proxy,
        grpc.aio.secure_channel(proxy.target, certificates.caller()) as friend,
        grpc.aio.insecure_channel(proxy.plain_target) as stranger,
    ):
        await first_call(friend)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await first_call(stranger)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def _without_marks(folder: Path) -> dict[str, str]:
    """Return the replacements that make the commented lines of Envoy's file effective."""
    lines = (CONFIGURATIONS / "envoy.yaml").read_text(encoding="utf-8").splitlines()
    first = lines.index("      # For mutual TLS at the gateways too:") + 1
    marked = list(takewhile(lambda line: line.startswith("      # "), lines[first:]))
    assert marked
    filled = [line.replace(TLS_FOLDER, str(folder)) for line in marked]
    return {line: line.replace("# ", "", 1) for line in filled}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timed
async def test_no_gateway_answers(name: str, tmp_path: Path) -> None:
    """If no gateway accepts connections, the status is one after which the client reconnects."""
    async with (
        always_ready() as admin,
        proxied_by(name, tmp_path, Upstream("127.0.0.1:1", admin)) as proxy,
        grpc.aio.insecure_channel(proxy.target) as channel,
    ):
        codes = set()
        for _ in range(20):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await async_stub(channel).PutDialRequests(
                    pb.PutDialRequestsRequest(), timeout=10, wait_for_ready=True
                )
            codes.add(refused.value.code())
            await asyncio.sleep(0.05)
        assert (
            codes - {grpc.StatusCode.UNIMPLEMENTED} <= RECONNECT_STATUSES
        )  # Traefik's answer before its routes are loaded


async def _answered_stream(gateway: ScriptedGateway, channel: grpc.aio.Channel) -> "StreamCall":
    """Open a stream, and read the only answer that comes."""
    gateway.script = accept_and_stay
    await first_call(channel)
    call = async_stub(channel).StreamDialRequests()
    await call.write(pb.StreamDialRequestsRequest(dial_requests=[pb.DialRequest(client_token="t")]))
    assert await call.read() is not grpc.aio.EOF
    return call


async def _lasts(call: "StreamCall", at_most_s: float) -> tuple[float, str]:
    """Return how long a stream without a message lasts, and how it ends."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(at_most_s):
            await call.read()
        code = await call.code()
    except TimeoutError:
        return at_most_s, ""
    except grpc.aio.AioRpcError as error:
        code = error.code()
    return time.monotonic() - began, code.name


async def _silent_s(gateway: ScriptedGateway, target: str, at_most_s: float) -> tuple[float, str]:
    """Return how long a stream that is quiet after the first answer lasts, and how it ends."""
    async with grpc.aio.insecure_channel(target) as channel:
        return await _lasts(await _answered_stream(gateway, channel), at_most_s)


@pytest.mark.timed
async def test_envoy_limits_streams_whose_caller_has_half_closed(tmp_path: Path) -> None:
    """The limit of the route takes effect, here two seconds; the file has none."""
    limited = {"timeout: 0s": f"timeout: {SILENCE_S:g}s"}
    async with (
        serving() as gateway,
        always_ready() as admin,
        proxied_by("envoy", tmp_path, Upstream(gateway.target, admin), more=limited) as proxy,
        grpc.aio.insecure_channel(proxy.target) as channel,
    ):
        call = await _answered_stream(gateway, channel)
        await call.done_writing()
        lasted_s, code = await _lasts(call, 10 * SILENCE_S)
        assert 0.5 * SILENCE_S < lasted_s < 5 * SILENCE_S
        assert code == "INTERNAL"


@pytest.mark.timed
async def test_envoy_ends_the_streams_of_a_gateway_that_becomes_silent(tmp_path: Path) -> None:
    """Its pings find out, here after two seconds."""
    often = {"interval: 30s, timeout: 10s": f"interval: {SILENCE_S / 2:g}s, timeout: {SILENCE_S / 2:g}s"}
    async with (
        serving() as gateway,
        always_ready() as admin,
        path_to(gateway.target) as path,
        proxied_by("envoy", tmp_path, Upstream(path.target, admin), more=often) as proxy,
        grpc.aio.insecure_channel(proxy.target) as channel,
    ):
        call = await _answered_stream(gateway, channel)
        path.fall_silent(wholly=True)
        lasted_s, code = await _lasts(call, 10 * SILENCE_S)
        assert lasted_s < 5 * SILENCE_S
        assert code in {"INTERNAL", "UNAVAILABLE"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timed
async def test_a_quiet_stream_lasts(name: str, tmp_path: Path) -> None:
    """The times in the files take effect: shorter ones end a quiet stream, the given ones do not."""
    async with serving() as gateway, always_ready() as admin:
        upstream = Upstream(gateway.target, admin)
        short, long = tmp_path / "short", tmp_path / "long"
        for folder in (short, long):
            folder.mkdir()
        async with proxied_by(name, short, upstream, silence_s=SILENCE_S) as proxy:
            lasted_s, code = await _silent_s(gateway, proxy.target, 10 * SILENCE_S)
            assert 0.5 * SILENCE_S < lasted_s < 3 * SILENCE_S
            assert code in {"INTERNAL", "CANCELLED"}
        async with proxied_by(name, long, upstream) as proxy:
            assert await _silent_s(gateway, proxy.target, 3 * SILENCE_S) == (3 * SILENCE_S, "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timed
async def test_a_gateway_is_killed_behind_the_proxy(name: str, tmp_path: Path, reserved_port: int) -> None:
    """A gateway is killed twice during a stream: all requests are accepted, and none is dialed twice.

    Traefik does not report the end of a gateway until the caller sends something; empty messages suffice.
    """
    ends: set[asyncio.Task[None]] = set()
    results: list[DialResult] = []
    async with (
        world(reserved_port, "--latency", "0.02") as gateway,
        always_ready() as admin,
        proxied_by(name, tmp_path, Upstream(gateway.target, admin)) as proxy,
        grpc.aio.insecure_channel(proxy.target) as channel,
        DialGatewayClient(proxy.target, window=400, keepalive=1.0) as client,
        asyncio.timeout(90),
    ):
        await first_call(channel)

        async def restart() -> None:
            await gateway.kill()
            await gateway.start()

        async for result in client.dial("c", requests(COUNT)):
            results.append(result)
            if len(results) in {300, 1100}:
                ends.add(asyncio.create_task(restart()))
        await asyncio.gather(*ends)
        assert Counter(result.outcome.value for result in results) == {"ACCEPTED": COUNT}
        assert await gateway.accepted() == Counter(f"t-{number}" for number in range(COUNT))
