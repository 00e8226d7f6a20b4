"""Holds, releases and purges that the admin port is asked for: who may change something, and what it does."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from gateway.access import token_guesses
from gateway.admin.server import AdminServer
from gateway.connect.reachability import ConnectHealth
from gateway.control.audit import Audit
from gateway.control.console_view import Console
from gateway.control.operations import CampaignOperations
from gateway.core.campaigns.holds import Hold
from gateway.dispatch.campaign_actions import CampaignActions
from gateway.runtime.clock import SystemClock
from gateway.settings import Settings
from tests.console.events import events, post
from tests.console.scene import TOKEN, gateway
from tests.integration.admin import get, scrape
from tests.integration.world import CAMPAIGN, World, dials, until, verdicts, world_of

FIELDS = {"campaign_id": CAMPAIGN, "operator": "Ines", "reason": "wrong list"}
ELSEWHERE = "https://attacker.example"
IDENTITY = "X-Forwarded-Email"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def held(port: int) -> list[str]:
    """Return the campaigns that are held."""
    async with events(port) as told:
        message = await anext(told)
    return [row[0] for row in message["campaigns"] if row[1] == "held"]


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
        row = world.gateway.replica.dispatcher.row(CAMPAIGN)
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
    assert world.gateway.replica.dispatcher.row(CAMPAIGN).hold is None
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


class BrokenActions(CampaignActions):
    """Actions on campaigns whose hold raises an exception, once the test allows it."""

    def __init__(self) -> None:
        self.holding, self.let = asyncio.Event(), asyncio.Event()

    async def hold(self, campaign_id: str, hold: Hold) -> int:
        """Raise an exception."""
        self.holding.set()
        await self.let.wait()
        raise RuntimeError("call +12065550123")


@asynccontextmanager
async def broken() -> AsyncIterator[tuple[int, BrokenActions]]:
    """Run an admin port whose console works with broken actions."""
    async with gateway() as world:
        parts, actions, clock = world.gateway, BrokenActions(), SystemClock()
        console = Console(
            parts.replica.dispatcher,
            parts.grpc.dial_requests,
            ConnectHealth(),
            parts.views.snapshots,
            CampaignOperations(actions, parts.views.snapshots, clock.now, audit=Audit("gateway-1")),
            clock,
            parts.access.operator_authorizer,
            parts.access.control.refusals,
            Settings(),
        )
        server = AdminServer(parts.admin.monitoring, console, "127.0.0.1:0")
        port = await server.start()
        try:
            yield port, actions
        finally:
            await server.stop()


async def test_a_bug_in_a_change_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """The page reports a bug, the log has its place, and the text of the exception appears nowhere."""
    async with broken() as (port, actions):
        actions.let.set()
        status, text = await post(port, "hold", FIELDS, TOKEN)
    assert (status, json.loads(text)) == (500, {"error": "an internal error of the gateway; see its log"})
    assert caplog.text.count("a hold of the console met a bug") == 1
    assert "RuntimeError" in caplog.text
    assert "+1206" not in caplog.text


async def test_a_bug_in_a_change_is_logged_after_its_page_has_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A change continues after its page has closed, and its bug is still logged."""
    async with broken() as (port, actions):
        asking = asyncio.create_task(post(port, "hold", FIELDS, TOKEN))
        await actions.holding.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.1)  # until the port has seen that the page is closed
        actions.let.set()
        await until(lambda: "met a bug" in caplog.text)
    assert caplog.text.count("a hold of the console met a bug") == 1
    assert "+1206" not in caplog.text
