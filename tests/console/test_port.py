"""What the console's page reads from the admin port: its files, and the events that keep it up to date."""

import asyncio
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from gateway.admin import event_stream
from gateway.simulator import FaultKind
from tests.console.events import events
from tests.console.scene import gateway
from tests.integration.admin import get, scrape
from tests.integration.world import CAMPAIGN, World, dials, until

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/", "/console/base.css", "/api/events", "/api/campaigns", "/metrics"])
async def test_other_paths_do_not_accept_post(port: int, path: str) -> None:
    """All other addresses are read-only."""
    assert (await get(port, path, "POST")).status == 405


async def test_the_page_and_its_files(port: int) -> None:
    """Every file that the page names is served, with the policy that blocks other scripts."""
    start = await get(port, "/")
    assert start.status == 200
    assert {part.strip() for part in start.headers["Content-Security-Policy"].split(";")} == POLICY
    assert "http://" not in start.body.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in start.body
    for name in ("base.css", "console.js", "plot.js", "words.js"):
        file = await get(port, f"/console/{name}")
        assert file.status == 200
        assert "http://" not in file.body.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in file.body
    for name in ("", "index.html", "../port.py", "%2e%2e/port.py", "nothing.js"):
        assert (await get(port, f"/console/{name}")).status == 404


async def test_events_begin_with_the_state_and_continue_with_differences(world: World) -> None:
    """A stream begins with the complete state; later messages hold the differences and the new seconds."""
    await world.ask(*dials(30), campaign="first")
    async with events(world.gateway.admin_port) as told:
        first = await anext(told)
        assert first["first"]
        assert [row[0] for row in first["campaigns"]] == ["first"]
        await world.ask(*dials(3, "u"), campaign="second")
        seen: dict[str, list[object]] = {}
        while "second" not in seen:
            message = await anext(told)
            seen |= {row[0]: row for row in message["campaigns"]}
        assert "first" not in message
        assert [point[0] for point in message["points"]] == sorted({point[0] for point in message["points"]})


@pytest.mark.timed
async def test_the_history_agrees_with_the_metrics(world: World) -> None:
    """The points of all seconds add up to the counters of Prometheus, by result and by outcome."""
    port = world.gateway.admin_port
    requests = dials(120)
    requests[0].phone_number = "call me"
    await asyncio.gather(world.ask(*requests), world.ask(*dials(60, "v"), campaign="other"))
    async with events(port) as told:
        calls, answers = 0, 0
        while answers < 180:
            for point in (await anext(told))["points"]:
                calls += sum(point[3])
                answers += sum(point[4])
        totals = (await anext(told))["totals"]
    metrics = await scrape(port)
    assert answers == metrics.value("dial_gateway_requests_answered_total")
    assert calls == metrics.value("dial_gateway_connect_calls_total")
    assert totals["calls"] == {"ok": metrics.value("dial_gateway_connect_calls_total", result="ok")}
    assert totals["answers"][0] == metrics.value("dial_gateway_requests_answered_total", outcome="ACCEPTED")


@pytest.mark.timed
async def test_goodput_counts_what_connect_accepted(world: World) -> None:
    """The answers to a list that is sent again are replayed: Connect accepted each dial request once."""
    port = world.gateway.admin_port
    for _ in range(3):
        await world.ask(*dials(60), campaign="again")
    accepted = replayed = 0
    names: list[str] = []
    async with events(port) as told:
        while accepted + replayed < 180:
            message = await anext(told)
            names = message.get("fields", {}).get("Point") or names
            for point in (dict(zip(names, row, strict=True)) for row in message["points"]):
                accepted += point["accepted"]
                replayed += point["replayed"]
    assert (accepted, replayed) == (60, 120)
    metrics = await scrape(port)
    assert metrics.value("dial_gateway_requests_accepted_total", campaign="again") == 60
    assert metrics.value("dial_gateway_requests_replayed_total") == 120
    assert metrics.value("dial_gateway_requests_answered_total", outcome="ACCEPTED") == 180


@pytest.mark.timed
async def test_failed_calls_are_shown_with_their_traces(world: World) -> None:
    """A failed call has the trace id of the answers that it decided."""
    world.fault(FaultKind.RESET)
    (result,) = await world.ask(*dials(1, expires_in=7.0))
    async with events(world.gateway.admin_port) as told:
        first = await anext(told)
    (failed,) = first["failures"]
    about = dict(zip(first["fields"]["FailedCall"], failed, strict=True))
    assert about["campaign_id"] == CAMPAIGN
    assert about["kind"] == "AnswerLost"
    assert about["trace_id"] == result.trace_id


async def test_the_number_of_open_pages_is_limited(world: World) -> None:
    """A page beyond the limit is refused; when another closes there is room again."""
    port = world.gateway.admin_port
    async with AsyncExitStack() as pages:
        for _ in range(event_stream.READERS):
            await anext(await pages.enter_async_context(events(port)))
        assert (await get(port, "/api/events")).status == 503
    reader = feed_of(world)
    await until(lambda: not reader.full)


def feed_of(world: World) -> event_stream.EventStream:
    return world.gateway.admin.server._events


async def test_head_of_events_has_no_body(port: int) -> None:
    """The answer to HEAD has no body, so that events are not taken for the answer to the next request."""
    assert (await get(port, "/api/events", "HEAD")).status == 405
    assert (await get(port, "/metrics", "HEAD")).status == 200


async def test_a_closed_page_frees_its_place_at_once(port: int) -> None:
    """Pages that open and close one after another never use up the limit."""
    for _ in range(event_stream.READERS + 8):
        async with events(port) as told:
            assert (await anext(told))["first"]


@pytest.mark.timed
async def test_a_gateway_that_stops_ends_the_streams() -> None:
    """An open page does not delay the gateway's exit."""
    async with gateway() as world, events(world.gateway.admin_port) as told:
        await anext(told)
        await asyncio.wait_for(world.gateway.stop(1.0), 10)
        with suppress(aiohttp.ClientError):
            async for _ in told:
                pass
