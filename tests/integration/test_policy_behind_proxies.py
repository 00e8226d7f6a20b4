"""The identity of callers behind the real nginx and HAProxy with the published configurations."""

from ipaddress import ip_network
from pathlib import Path

import grpc
import grpc.aio
import pytest

from tests.faults.certificates import CALLER, Certificates
from tests.faults.proxies import PROXIES, Upstream, absent, proxied
from tests.files import put
from tests.integration.admin import scrape
from tests.integration.secured import OPS, POLICY, SecureCaller
from tests.integration.world import dial, until, verdicts, world_of

LOCAL = (ip_network("127.0.0.0/8"),)
FORGED = (("x-forwarded-client-cert", f"URI={OPS}"),)
SAID_OTHERWISE = {"haproxy": grpc.StatusCode.CANCELLED}
"""HAProxy 2.6 reports an ended stream whose caller has not half-closed as a failure."""

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent())


@pytest.mark.parametrize("name", PROXIES)
async def test_a_caller_has_the_identity_of_its_certificate(tmp_path: Path, name: str) -> None:
    """A caller has the rights of its certificate in the policy, and its own headers do not change its
    identity.
    """
    policy = tmp_path / "policy.yaml"
    put(policy, POLICY)
    certificates = Certificates.made_in(tmp_path / "tls")
    async with world_of(policy_file=str(policy), trusted_proxies=LOCAL) as world:
        upstream = Upstream(world.target, world.gateway.admin_port)
        async with (
            proxied(name, tmp_path, [upstream], certificates=certificates) as proxy,
            grpc.aio.secure_channel(proxy.target, certificates.caller()) as channel,
        ):
            stream = SecureCaller(channel).stream(metadata=FORGED, wait_for_ready=True)
            await stream.send(dial("own"), campaign="debt-1")
            await stream.send(dial("other"), campaign="surveys")
            await stream.finish()
            assert verdicts(await stream.rest()) == ["ACCEPTED", "REJECTED ACCESS_DENIED NEVER"]
            await until(lambda: not world.gateway.grpc.dial_requests.streams)
            seen = await scrape(world.gateway.admin_port)
            assert seen.value("dial_gateway_access_refused_total", caller=CALLER, refusal="campaign") == 1


@pytest.mark.parametrize("name", PROXIES)
async def test_the_port_without_tls_drops_claimed_identities(tmp_path: Path, name: str) -> None:
    policy = tmp_path / "policy.yaml"
    put(policy, POLICY)
    async with world_of(policy_file=str(policy), trusted_proxies=LOCAL) as world:
        upstream = Upstream(world.target, world.gateway.admin_port)
        async with (
            proxied(name, tmp_path, [upstream]) as proxy,
            grpc.aio.insecure_channel(proxy.target) as channel,
        ):
            stream = SecureCaller(channel).stream(metadata=FORGED, wait_for_ready=True)
            assert await stream.rest() == []
            assert await stream.status() in {grpc.StatusCode.UNAUTHENTICATED, SAID_OTHERWISE.get(name)}
            seen = await scrape(world.gateway.admin_port)
        refused = "dial_gateway_access_refused_total"
        assert seen.value(refused, caller="127.0.0.1", refusal="unauthenticated") == 1
