"""Health on the admin port, and which requests get an answer there."""

import asyncio
import json
import logging

import pytest

from gateway.simulator import CampaignState, FaultKind
from tests.integration.admin import get
from tests.integration.process import NO_LIMIT, serving
from tests.integration.world import World, WorldOptions, dial, dials, until, world_of

NAMES = ["livez", "readyz", "metrics"]


async def test_a_gateway_that_serves_is_live_and_ready(world: World) -> None:
    """Both probes are answered with 200, and readiness lists its checks."""
    assert (await get(world.gateway.admin_port, "/livez")).status == 200
    page = await get(world.gateway.admin_port, "/readyz")
    assert page.status == 200
    for check in ("settings", "credentials", "draining", "dispatcher", "amazon connect"):
        assert f'"{check}"' in page.body
    assert "not called yet" in page.body


async def test_a_failing_connect_is_reported_and_stays_ready(world: World) -> None:
    """Readiness reports how Connect fails but stays 200, since otherwise all gateways would become unready at
    once.
    """
    world.fault(FaultKind.RESET)
    await world.ask(dial("t", expires_in=7))
    page = await get(world.gateway.admin_port, "/readyz")
    assert page.status == 200
    assert "failing for" in page.body
    assert "AnswerLost" in page.body


async def test_a_recovered_connect_is_reported(world: World) -> None:
    """After an attempt that was answered, readiness reports no failure."""
    world.fault(FaultKind.RESET, count=1)
    await world.ask(*dials(2))
    assert '"answering"' in (await get(world.gateway.admin_port, "/readyz")).body


async def test_a_draining_gateway_is_live_and_not_ready() -> None:
    """A draining gateway is not ready, and still live, so that it is not killed."""
    async with world_of(call_timeout=3.0) as world:
        world.hang()
        stream = world.stream()
        await stream.send(dial("t"))
        await until(lambda: world.gateway.engine.calls_in_flight)
        stopping = asyncio.create_task(world.gateway.stop(2.0))
        await until(lambda: world.gateway.engine.draining)
        ready = await get(world.gateway.admin_port, "/readyz")
        live = await get(world.gateway.admin_port, "/livez")
        seen = await get(world.gateway.admin_port, "/metrics")
        assert (live.status, ready.status) == (200, 503)
        assert json.loads(ready.body)["checks"]["draining"] == {"ok": False, "is": "yes"}
        assert "\ndial_gateway_draining 1\n" in seen.body
        assert "\ndial_gateway_ready 0\n" in seen.body
        await stream.rest()
        await stopping


@pytest.mark.parametrize("path", NAMES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_the_admin_port_is_read_only(world: World, path: str, method: str) -> None:
    """A method other than GET or HEAD is refused with 405."""
    page = await get(world.gateway.admin_port, f"/{path}", method)
    assert page.status == 405


@pytest.mark.parametrize("path", [*NAMES, "nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
    ],
)
async def test_requests_from_other_sites_are_refused(
    world: World, path: str, headers: dict[str, str]
) -> None:
    """A request from a page of another site is refused."""
    page = await get(world.gateway.admin_port, f"/{path}", **headers)
    assert page.status == 403
    assert "dial_gateway_" not in page.body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("attacker.example", 421),
        ("127.0.0.1.attacker.example:9464", 421),
        ("localhost.attacker.example", 421),
        ("10.0.0.1", 421),
        ("", 421),
        ("localhost:9464", 200),
        ("127.0.0.1", 200),
        ("[::1]:9464", 200),
    ],
)
async def test_on_loopback_only_loopback_names_are_answered(world: World, host: str, status: int) -> None:
    """A foreign host name that resolves to loopback is refused, against DNS rebinding."""
    assert (await get(world.gateway.admin_port, "/metrics", Host=host)).status == status


async def test_foreign_names_that_resolve_to_loopback_are_refused() -> None:
    """Through a port-forward, a foreign name that resolves to loopback reads neither pages nor events."""
    async with world_of(admin_listen="0.0.0.0:0") as world:
        port = world.gateway.admin_port
        assert (await get(port, "/readyz", Host="10.0.0.1:9464")).status == 200
        for path in ("/metrics", "/api/events", "/"):
            page = await get(port, path, Host=f"attacker.example:{port}")
            assert page.status == 421
            assert "DIAL_GATEWAY_ADMIN_HOSTS" in page.body


@pytest.mark.parametrize("address", ["0.0.0.0:0", "127.0.0.1:0"])
async def test_names_that_a_setting_lists_are_answered(address: str) -> None:
    """A public host name is answered if and only if the setting lists it."""
    async with world_of(admin_listen=address, admin_hosts=("console.example.org",)) as world:
        port = world.gateway.admin_port
        assert (await get(port, "/metrics", Host="Console.example.org")).status == 200
        assert (await get(port, "/metrics", Host="x.console.example.org")).status == 421


async def test_its_own_page_is_answered(world: World) -> None:
    """Requests from the admin port's own page, and from a typed address, are answered."""
    port = world.gateway.admin_port
    own = {"Origin": f"http://127.0.0.1:{port}", "Host": f"127.0.0.1:{port}"}
    assert (await get(port, "/readyz", Sec_Fetch_Site="same-origin", **own)).status == 200
    assert (await get(port, "/readyz", Sec_Fetch_Site="none")).status == 200


async def test_an_admin_address_in_use_stops_the_start(world: World) -> None:
    """If the admin address is in use the gateway does not start, and the error names it."""
    taken = f"127.0.0.1:{world.gateway.admin_port}"
    with pytest.raises(OSError, match=f"^DIAL_GATEWAY_ADMIN_LISTEN: cannot listen on {taken}: "):
        async with world_of(admin_listen=taken):
            pass


async def test_without_telemetry_there_are_no_metrics() -> None:
    """If the standard variable turns telemetry off there are no metrics; health is still answered."""
    async with serving(*NO_LIMIT, environment={"OTEL_SDK_DISABLED": "true"}) as served:
        await served.stream().ask(*dials(3))
        assert (await get(served.admin_port, "/metrics")).status == 404
        assert (await get(served.admin_port, "/readyz")).status == 200


async def test_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that found no credentials is not ready, and says why."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with world_of(WorldOptions(no_keys=True)) as world:
        page = await get(world.gateway.admin_port, "/readyz")
        assert page.status == 503
        assert "none were found" in page.body


async def test_changes_of_state_and_ends_of_streams_are_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each change of a campaign's state and each end of a stream; none for dial requests."""
    caplog.set_level(logging.INFO, "gateway")
    world.simulator.connect.set_state("paused", CampaignState.PAUSED)
    stream = world.stream()
    await stream.send(*dials(40), campaign="paused")
    await stream.message()
    world.simulator.connect.set_state("paused", CampaignState.RUNNING)
    await stream.read(40)
    await stream.finish()
    await stream.rest()
    await until(lambda: "a stream ended" in caplog.messages)
    records = [record for record in caplog.records if record.name.startswith("gateway")]
    about = [(record.getMessage(), getattr(record, "campaign", "")) for record in records]
    assert about.count(("a campaign is parked until it runs", "paused")) == 1
    assert about.count(("a campaign is kept no longer", "paused")) == 1
    (ended,) = [record for record in records if record.getMessage() == "a stream ended"]
    assert (ended.__dict__["taken"], ended.__dict__["answered"]) == (40, 40)
    assert len(ended.__dict__["trace_id"]) == 32
    assert len(records) <= 4
