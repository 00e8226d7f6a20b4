"""What the console's page requests from the admin port: who gets an answer, and with what content."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_network

import aiohttp
import pytest
import pytest_asyncio

from gateway.access import token_guesses
from gateway.admin import event_stream
from gateway.admin.server import AdminServer
from gateway.connect.fake import FakeConnect
from gateway.connect.reachability import ConnectHealth
from gateway.connect.retry import RetryingSender
from gateway.control.audit import Audit
from gateway.control.console_view import Console
from gateway.control.operations import CampaignOperations
from gateway.control.snapshots import StatusSnapshots
from gateway.core.campaigns.holds import Hold
from gateway.core.engine import Engine, Limits
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock
from gateway.settings import Settings
from gateway.simulator import FaultKind
from gateway.telemetry import telemetry_with
from tests.console.events import events, post
from tests.console.scene import TOKEN, gateway
from tests.integration.admin import get, scrape
from tests.integration.world import CAMPAIGN, World, dials, until, verdicts, world_of

FIELDS = {"campaign_id": CAMPAIGN, "operator": "Ines", "reason": "wrong list"}
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
ELSEWHERE = "https://attacker.example"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int]:
    """Run the admin port of one gateway, for all tests that change nothing."""
    async with gateway() as world:
        yield world.gateway.admin_port


async def held(port: int) -> list[str]:
    """Return the campaigns that are held."""
    async with events(port) as told:
        message = await anext(told)
    return [row[0] for row in message["campaigns"] if row[1] == "held"]


# --- who gets an answer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": ""}, 403),
        ({"Origin": ELSEWHERE}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Sec_Fetch_Site": ""}, 403),
        ({"Host": "attacker.example", "Origin": "http://attacker.example"}, 421),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": ""}, 415),
    ],
)
async def test_changes_are_accepted_from_the_own_page_only(
    port: int, headers: dict[str, str], status: int
) -> None:
    """A change that another page or a form can send is refused, even with the right token."""
    assert (await post(port, "hold", FIELDS, TOKEN, **headers))[0] == status
    assert await held(port) == []


@pytest.mark.parametrize("token", [None, "", "x", TOKEN + "x", TOKEN.upper(), "\u00e9" * 20])
async def test_nothing_is_changed_without_the_token(token: str | None) -> None:
    """Without the token, or with another, the answer is 401 and nothing happens."""
    async with gateway() as world:
        port = world.gateway.admin_port
        for kind in ("hold", "release", "purge"):
            assert (await post(port, kind, FIELDS, token))[0] == 401
        assert await held(port) == []


async def test_an_address_that_guesses_the_token_has_to_wait(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """After some wrong tokens an address must wait; from another address the right token works at once."""
    port = world.gateway.admin_port
    for number in range(token_guesses.FREE):
        assert (await post(port, "hold", FIELDS, f"a-wrong-token-{number}"))[0] == 401
    for _ in range(3):
        status, text = await post(port, "hold", FIELDS, TOKEN)
        assert status == 429
        assert "too many wrong tokens" in text
    assert await held(port) == []
    assert await post(port, "hold", FIELDS, TOKEN, source="127.0.0.2") == (200, '{"answered": 0}')
    seen, name = await scrape(port), "dial_gateway_access_refused_total"
    assert seen.value(name, caller="admin port", refusal="admin_token") == token_guesses.FREE
    assert seen.value(name, caller="admin port", refusal="admin_guessing") == 3
    assert caplog.text.count("refused: ") == 2


async def test_without_a_configured_token_changes_are_refused() -> None:
    """A gateway without a token says so to the page, and refuses changes."""
    async with world_of() as world:
        port = world.gateway.admin_port
        status, text = await post(port, "hold", FIELDS, TOKEN)
        assert status == 403
        assert "DIAL_GATEWAY_ADMIN_TOKEN_FILE is not set" in text
        async with events(port) as told:
            assert "DIAL_GATEWAY_ADMIN_TOKEN_FILE" in (await anext(told))["totals"]["locked"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "GET"])
async def test_changes_need_post(port: int, method: str) -> None:
    """Only POST changes something; the answer to other methods names it."""
    page = await get(port, "/api/campaigns/hold", method)
    assert page.status == 405
    assert page.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/console/base.css", "/api/events", "/api/campaigns", "/metrics"])
async def test_other_paths_do_not_accept_post(port: int, path: str) -> None:
    """All other addresses are read-only."""
    assert (await get(port, path, "POST")).status == 405


# --- fields of changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (b"", "body: must be JSON"),
        (b"[" * 9000, "body: must be JSON"),
        (b"[]", "body: must be a JSON object"),
        (FIELDS | {"campaing": 1}, "body: fields are answering, campaign_id, known_only, operator, reason"),
        (FIELDS | {"campaign_id": ""}, "campaign_id: required"),
        (FIELDS | {"campaign_id": 5}, "campaign_id: required, a text"),
        (FIELDS | {"campaign_id": "half \ud800"}, "campaign_id: required, a text"),
        (FIELDS | {"campaign_id": "a b"}, "campaign_id: at most 256 characters, no white space"),
        (FIELDS | {"campaign_id": "x" * 257}, "campaign_id: at most 256"),
        (FIELDS | {"operator": " "}, "operator: required"),
        (FIELDS | {"operator": None}, "operator: must be a text"),
        (FIELDS | {"operator": "x" * 101}, "operator: at most 100"),
        (FIELDS | {"operator": "a\nb"}, "operator: no control characters"),
        (FIELDS | {"reason": ""}, "reason: required"),
        (FIELDS | {"reason": "\u202egnp"}, "reason: no control characters"),
        (FIELDS | {"reason": "x" * 501}, "reason: at most 500"),
        (FIELDS | {"answering": "no"}, "answering: true or false"),
    ],
)
async def test_a_wrong_field_is_named(port: int, fields: object, words: str) -> None:
    """The answer names the field and the rule, and nothing changes."""
    status, text = await post(port, "hold", fields, TOKEN)
    assert status == 400
    assert words in json.loads(text)["error"]
    assert await held(port) == []


async def test_a_body_over_the_limit(port: int) -> None:
    """A body over 16 KiB is refused without being read."""
    assert (await post(port, "hold", b" " * 40_000, TOKEN))[0] == 413


async def test_hold_release_and_purge(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Each change takes effect and is logged with the operator's name, also for an idle campaign."""
    caplog.set_level(logging.INFO, "gateway.control.audit")
    port = world.gateway.admin_port
    assert await post(port, "hold", FIELDS, TOKEN) == (200, '{"answered": 0}')
    assert await held(port) == [CAMPAIGN]
    stream = world.stream()
    await stream.send(*dials(40))
    await until(lambda: world.gateway.engine.outstanding == 40)
    assert (await post(port, "purge", FIELDS | {"reason": ""}, TOKEN))[0] == 400
    assert await post(port, "purge", FIELDS, TOKEN) == (200, '{"answered": 40}')
    assert {*verdicts(await stream.read(40))} == {"NOT_ACCEPTED PURGED SAME_TOKEN"}
    assert await post(port, "release", FIELDS, TOKEN) == (200, '{"answered": 0}')
    assert (await post(port, "release", FIELDS, TOKEN))[0] == 404
    about = [
        (record.getMessage(), record.__dict__["actor"], record.__dict__["identified_by"])
        for record in caplog.records
    ]
    kinds = ("held", "purged", "released")
    assert about == [(f"a campaign is {kind}", "Ines", "typed") for kind in kinds]


IDENTITY = "X-Forwarded-Email"


@pytest.mark.parametrize(
    ("trusted", "sent", "actor", "by"),
    [
        (True, "ines@example.org", "ines@example.org", "proxy"),
        (True, None, "Ines", "typed"),
        (True, "two words", "Ines", "typed"),
        (False, "ines@example.org", "Ines", "typed"),
    ],
)
async def test_the_actor_is_who_a_trusted_proxy_says(
    trusted: bool, sent: str | None, actor: str, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The header of any other peer counts for nothing: it could be anybody's."""
    caplog.set_level(logging.INFO, "gateway.control.audit")
    network = ip_network("127.0.0.1/32" if trusted else "10.0.0.0/8")
    headers = {} if sent is None else {IDENTITY: sent}
    async with gateway(admin_identity_header=IDENTITY.lower(), trusted_proxies=(network,)) as world:
        port = world.gateway.admin_port
        me = await get(port, "/api/me", **headers)
        assert json.loads(me.body) == {"identity": actor if by == "proxy" else None}
        assert (await post(port, "hold", FIELDS, TOKEN, **headers))[0] == 200
        if by == "proxy":
            nameless = {key: value for key, value in FIELDS.items() if key != "operator"}
            assert (await post(port, "hold", nameless, TOKEN, **headers))[0] == 200
        row = world.gateway._dispatcher.row(CAMPAIGN)
    assert row.hold is not None
    assert row.hold.caller == (actor if by == "proxy" else "Ines (typed)")
    record = caplog.records[0].__dict__
    assert (record["actor"], record["identified_by"], record["interface"]) == (actor, by, "console")


async def test_changes_of_known_campaigns_only(world: World) -> None:
    """The page asks for known campaigns only: a hold or purge of another one changes nothing."""
    port, known_only = world.gateway.admin_port, FIELDS | {"known_only": True}
    for kind in ("hold", "purge"):
        status, text = await post(port, kind, known_only, TOKEN)
        assert (status, "this campaign is not known" in text) == (404, True)
    assert world.gateway._dispatcher.row(CAMPAIGN).hold is None
    await world.ask(*dials(1))
    assert (await post(port, "hold", known_only, TOKEN))[0] == 200
    assert await held(port) == [CAMPAIGN]


async def test_a_hold_that_answers_requests(world: World) -> None:
    """With this option, requests that wait and new ones are answered HELD."""
    port = world.gateway.admin_port
    assert (await post(port, "hold", FIELDS | {"answering": True}, TOKEN))[0] == 200
    assert verdicts(await world.ask(*dials(2))) == ["NOT_ACCEPTED HELD SAME_TOKEN"] * 2


async def test_content_of_unauthorized_changes_is_not_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Changes without the token are counted and the first is logged, without any of their content."""
    caplog.set_level(logging.INFO, "gateway")
    port = world.gateway.admin_port
    for number in range(3):
        fields = FIELDS | {"operator": f"stranger {number}", "reason": "call +12065550123"}
        assert (await post(port, "purge", fields, "another-secret-token"))[0] == 401
    refused = [record for record in caplog.records if "refused" in record.getMessage()]
    assert len(refused) == 1
    assert "stranger" not in caplog.text + str(vars(refused[0]))
    assert "+1206" not in caplog.text + str(vars(refused[0]))
    name = "dial_gateway_access_refused_total"
    assert (await scrape(port)).value(name, caller="admin port", refusal="admin_token") == 3


async def test_the_token_is_in_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the right token nor a wrong one appears in the log."""
    caplog.set_level(logging.DEBUG)
    port = world.gateway.admin_port
    await post(port, "hold", FIELDS, TOKEN)
    await post(port, "hold", FIELDS, "another-secret-token")
    text = " ".join(str(record.__dict__) for record in caplog.records)
    assert "refused: a change on the admin port without its token" in text
    assert TOKEN not in text
    assert "another-secret-token" not in text


class Broken(Dispatcher):
    """A dispatcher whose hold raises an exception, once the test allows it."""

    def __init__(self) -> None:
        caller = RetryingSender(FakeConnect(), telemetry_with(), SystemClock().now, random.Random(1))
        super().__init__(Engine(Limits(), random.Random(1)), caller, telemetry_with(), SystemClock().now)
        self.holding, self.let = asyncio.Event(), asyncio.Event()

    async def hold(self, campaign_id: str, hold: Hold) -> int:
        """Raise an exception."""
        self.holding.set()
        await self.let.wait()
        raise RuntimeError("call +12065550123")


@asynccontextmanager
async def broken() -> AsyncIterator[tuple[int, Broken]]:
    """Run an admin port whose console works on a broken dispatcher."""
    async with gateway() as world:
        parts, dispatcher, clock = world.gateway, Broken(), SystemClock()
        snapshots = StatusSnapshots(dispatcher.rows, clock.now)
        console = Console(
            dispatcher,
            parts._servicer,
            ConnectHealth(),
            snapshots,
            CampaignOperations(dispatcher, snapshots, clock.now, audit=Audit("gateway-1")),
            clock,
            parts.operator_authorizer,
            parts.access.control.refusals,
            Settings(),
        )
        server = AdminServer(parts._monitoring, console, "127.0.0.1:0")
        port = await server.start()
        try:
            yield port, dispatcher
        finally:
            await server.stop()


async def test_a_bug_in_a_change_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """The page reports a bug, the log has its place, and the text of the exception appears nowhere."""
    async with broken() as (port, dispatcher):
        dispatcher.let.set()
        status, text = await post(port, "hold", FIELDS, TOKEN)
    assert (status, json.loads(text)) == (500, {"error": "an internal error of the gateway; see its log"})
    assert caplog.text.count("a hold of the console met a bug") == 1
    assert "RuntimeError" in caplog.text
    assert "+1206" not in caplog.text


async def test_a_bug_in_a_change_is_logged_after_its_page_has_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A change continues after its page has closed, and its bug is still logged."""
    async with broken() as (port, dispatcher):
        asking = asyncio.create_task(post(port, "hold", FIELDS, TOKEN))
        await dispatcher.holding.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.1)  # until the port has seen that the page is closed
        dispatcher.let.set()
        await until(lambda: "met a bug" in caplog.text)
    assert caplog.text.count("a hold of the console met a bug") == 1
    assert "+1206" not in caplog.text


# --- contents of the page and its events ---------------------------------------------------------------


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
    return world.gateway._admin._events


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
