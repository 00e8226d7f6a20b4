"""The console in a browser, with a gateway under load."""

import asyncio
import json
import logging
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.admin import messages
from gateway.directory.table import CampaignEntry, CampaignTable
from gateway.simulator import CampaignState, FaultKind
from tests.console.browser import Page
from tests.console.scene import TOKEN, gateway, hold, load
from tests.console.steps import OFFERED, ROWS, THEME_BESIDE_TITLE, WIDTHS, cell, fill, open_console, too_wide
from tests.integration.admin import scrape
from tests.integration.world import PHONE, World, dial, dials, until, verdicts

pytestmark = pytest.mark.asyncio(loop_scope="module")
log = logging.getLogger(__name__)

HERE = Path(__file__).parent
CONTRAST, MARKUP = ((HERE / name).read_text() for name in ("contrast.js", "markup.js"))
FIND = "document.querySelector('#find').dispatchEvent(new Event('input'))"
UPDATE_S = 2.0
CAMPAIGN = "payment-reminders"
HOSTILE = [
    "<img/src=x/onerror=window.struck=1>",
    '"><script>window.struck=1</script>',
    "javascript:window.struck=1//'onclick='window.struck=1'",
    "{{window.struck=1}}${window.struck=1}",
]


@asynccontextmanager
async def under_load(world: World, *campaigns: str, rate: float = 120.0) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(load(world, name, rate, random.Random(1))) for name in campaigns]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_figures_agree_with_the_metrics(page: Page, world: World) -> None:
    """The figures of a campaign and of all calls on the page are those that Prometheus scrapes."""
    await open_console(page, world)
    requests = dials(130)
    for number in range(7):
        requests[number].phone_number = "call me"
    await world.ask(*requests, campaign=CAMPAIGN)
    await page.until(f"{cell(CAMPAIGN, 'Accepted')} === '123'")
    assert await page.run(cell(CAMPAIGN, "Otherwise")) == "7"
    metrics = await scrape(world.gateway.admin_port)
    answers = "dial_gateway_requests_answered_total"
    assert metrics.value(answers, campaign=CAMPAIGN, outcome="ACCEPTED") == 123
    assert metrics.value(answers, campaign=CAMPAIGN) == 130
    calls = await page.run("performance.getEntriesByName('look').length")
    assert calls > 0


async def test_a_list_that_is_sent_again_is_no_goodput(page: Page, world: World) -> None:
    """Two full calls have carried 25 dial requests each, however often their answers are replayed."""
    await open_console(page, world)
    for _ in range(3):
        await world.ask(*dials(50), campaign=CAMPAIGN)
    note = "document.querySelectorAll('#figures .note')[1].textContent"
    await page.until(f"/replayed/.test({note})")
    await page.until(f"/ · 25(\\.0)? a call · [0-9.]+\\/s replayed$/.test({note})")
    assert await page.run(cell(CAMPAIGN, "Accepted")) == "150"


@pytest.mark.timed
async def test_a_change_is_visible_within_two_seconds(page: Page, world: World) -> None:
    """A new campaign is in the table within two seconds of its first dial request."""
    await open_console(page, world)
    took: list[float] = []
    for number in range(3):
        began = time.monotonic()
        await world.stream().send(*dials(3, f"n{number}"), campaign=f"campaign-{number}")
        await page.until(f"{cell(f'campaign-{number}', 'Accepted')} !== undefined")
        took.append(time.monotonic() - began)
    log.info("a change is seen after %.2f s at most", max(took))
    assert statistics.median(took) < UPDATE_S  # one of three may be slow on a busy machine


async def test_a_hold_stops_the_calls_and_a_release_resumes_them(page: Page, world: World) -> None:
    """No call of a held campaign is made; its row shows who holds it and why."""
    await open_console(page, world)
    async with under_load(world, CAMPAIGN, "others"):
        await until(lambda: len(world.calls(CAMPAIGN)) > 3)
        await page.until(f"{cell(CAMPAIGN, 'Accepted')} !== undefined")
        await hold(page, CAMPAIGN)
        await asyncio.sleep(0.3)  # a call that had already started ends in this time
        held = len(world.calls(CAMPAIGN))
        others = len(world.calls("others"))
        row = "document.querySelector('[data-is=held]')?.closest('td').textContent"
        said = await page.until(row)
        assert said.startswith("Held“wrong list, see incident 2214”, Ines Duarte (typed)")
        await until(lambda: len(world.calls("others")) > others + 5)
        assert len(world.calls(CAMPAIGN)) == held
        await page.click(f"[aria-label='Release {CAMPAIGN}']")
        await page.until("document.querySelector('#ask').open")
        await page.key("Enter")
        await until(lambda: len(world.calls(CAMPAIGN)) > held + 3)
        await page.until("document.querySelector('[data-is=held]') === null")


async def test_a_purge_first_asks_with_the_number_of_requests(page: Page, world: World) -> None:
    """The question and its button state how many requests wait, and as many are answered PURGED."""
    await open_console(page, world)
    stream = world.stream()
    await stream.send(*dials(1), campaign=CAMPAIGN)
    await stream.read(1)
    await page.until(f"{cell(CAMPAIGN, 'Accepted')} === '1'")
    await hold(page, CAMPAIGN)
    await stream.send(*dials(1234, "held"), campaign=CAMPAIGN)
    await page.until(f"{cell(CAMPAIGN, 'Waiting')} === '1,234'")
    await page.click(f"[aria-label='Purge {CAMPAIGN}']")
    await page.until("document.querySelector('#ask').open")
    asked = await page.run("document.querySelector('#ask-number').textContent")
    assert asked == "1,234 dial requests will be answered, and not dialed"
    assert await page.run("document.querySelector('#ask-do').textContent") == "Purge 1,234 dial requests"
    await fill(page, reason="wrong list")
    await page.click("#ask-do")
    results = await stream.read(1234)
    assert {*verdicts(results)} == {"NOT_ACCEPTED PURGED SAME_TOKEN"}
    toasts = "[...document.querySelectorAll('.toast')].map(e => e.textContent)"
    await page.until(f"{toasts}.includes('Purged 1,234 dial requests: {CAMPAIGN}')")


async def test_text_from_callers_does_not_run_as_script(page: Page, world: World) -> None:
    """Markup in ids, names and reasons is shown as text; invisible and direction-changing characters are
    escaped.
    """
    await open_console(page, world)
    for number, campaign in enumerate([*HOSTILE, "turned\u202egnp.exe\u2066", "bell\x07\x1b[31m"]):
        await world.ask(*dials(1, f"h{number}"), campaign=campaign)
    await page.until(f"{ROWS} === 6")
    names = await page.run("[...document.querySelectorAll('#campaign-rows bdi.id')].map(e => e.textContent)")
    assert {*HOSTILE, "turned⟨U+202E⟩gnp.exe⟨U+2066⟩", "bell␇␛[31m"} == set(names)
    await page.run(
        "[...document.querySelectorAll('#campaign-rows bdi.id')].find(e => e.textContent[0] === '<')"
        ".closest('tr').querySelector('.do button').focus()"
    )
    await page.key("Enter")
    await page.until("document.querySelector('#ask').open")
    await fill(page, operator=HOSTILE[1], reason=HOSTILE[0], token=TOKEN)
    await page.key("Enter")
    await page.until("document.querySelector('[data-is=held]')?.closest('td').textContent.includes('<img')")
    assert await page.run("window.struck") is None
    assert await page.run("document.querySelectorAll('img, iframe, script:not([src]), main a').length") == 0


async def test_names_and_tags_are_shown_as_text_and_found(page: Page, world: World) -> None:
    """A campaign with a name shows it above its id. Markup in names and tags is text; a search finds them."""
    await open_console(page, world)
    entries = [CampaignEntry("id-1", HOSTILE[0], {"team": HOSTILE[1]}), CampaignEntry("id-2", "surveys", {})]
    world.gateway.directory.publish(CampaignTable(entries))
    for number in (1, 2, 3):
        await world.ask(*dials(1, f"n{number}"), campaign=f"id-{number}")
    await page.until(f"{ROWS} === 3")
    shown = "[...document.querySelectorAll('#campaign-rows .called')].map(e => e.hidden ? '' : e.textContent)"
    assert sorted(await page.run(shown)) == sorted(["", "surveys", HOSTILE[0]])
    tags = "[...document.querySelectorAll('#campaign-rows .tags')].map(e => e.textContent).join('')"
    assert await page.run(tags) == f"team={HOSTILE[1]}"
    await page.run("document.querySelector('#find').focus()")
    await page.type("SURVEYS")
    await page.until(f"{ROWS} === 1 && document.querySelector('#campaign-rows bdi').textContent === 'id-2'")
    assert await page.run("window.struck") is None


async def test_the_page_runs_no_foreign_script(page: Page, world: World) -> None:
    """The content security policy blocks a script even if markup reaches the page."""
    await open_console(page, world)
    await page.run(MARKUP)
    await asyncio.sleep(0.3)
    assert await page.run("window.struck") is None
    refused = [error for error in page.errors if "Content Security Policy" in error]
    page.errors.clear()
    assert refused


async def test_the_page_works_with_the_keyboard_alone(page: Page, world: World) -> None:
    """A campaign can be found and held, and a plot read, with the keyboard only."""
    await open_console(page, world)
    for name in ("alpha", "beta"):
        await world.ask(*dials(2, name), campaign=name)
    await page.until(f"{ROWS} === 2")
    await page.key("/")
    await page.type("bet")
    await page.until(f"{ROWS} === 1")
    for _ in range(20):
        await page.key("Tab")
        if await page.run("document.activeElement.getAttribute('aria-label')") == "Hold beta":
            break
    await page.key("Enter")
    await page.until("document.querySelector('#ask').open")
    await page.key("Escape")
    await page.until("!document.querySelector('#ask').open")
    assert await page.run("document.activeElement.getAttribute('aria-label')") == "Hold beta"
    await page.key("Enter")
    await page.type("Ines")
    await page.key("Enter")
    assert "reason" in await page.until("document.querySelector('#ask-error').textContent")
    await page.type("by keyboard")
    await page.key("Tab")
    await page.type("not-the-token-at-all")
    await page.key("Enter")
    await page.until("document.querySelector('#ask-error').textContent.includes('token')")
    page.errors.clear()  # the browser reports the refused token as an error
    await page.key("a", control=True)
    await page.type(TOKEN)
    await page.key("Enter")
    await page.until("document.querySelector('[data-is=held]')")
    await page.until("document.activeElement.getAttribute('aria-label') === 'Release beta'")
    await page.run("document.querySelector('#plots svg').focus()")
    await page.key("ArrowLeft")
    spoken = await page.until("document.querySelector('#plots-spoken').textContent")
    assert "Calls against the quota: answered" in spoken


async def test_without_a_token_the_page_is_read_only_and_explains_it(page: Page) -> None:
    """Without a token the page offers no change, at any width, and says which setting is missing."""
    async with gateway(admin_token_file=None) as world:
        await open_console(page, world)
        await world.ask(*dials(2), campaign=CAMPAIGN)
        await page.until(f"{ROWS} === 1")
        for width, height in WIDTHS:
            await page.show(width, height)
            assert await page.run(OFFERED) == [], width
            assert await page.run(too_wide(width)) == [], width
            assert await page.run(THEME_BESIDE_TITLE) is True, width
        await page.click("#read-only")
        said = await page.until("document.querySelector('.toast')?.textContent")
        assert "DIAL_GATEWAY_ADMIN_TOKEN_FILE is not set" in said


async def test_a_page_over_plain_http_offers_no_change_that_would_be_refused(page: Page) -> None:
    """Browsers do not say whose page asks over plain HTTP, except on loopback, so the gateway refuses."""
    async with gateway(admin_hosts=("console.example.org",)) as world:
        await world.ask(*dials(2), campaign=CAMPAIGN)
        await open_console(page, world, "console.example.org")
        await page.until(f"{ROWS} === 1")
        assert await page.run(OFFERED) == []
        await page.click("#read-only")
        assert "a proxy with TLS" in await page.until("document.querySelector('.toast')?.textContent")
        await open_console(page, world)
        await page.until(f"{ROWS} === 1")
        assert await page.run(OFFERED) == ["Hold", "Purge"]


async def test_the_page_names_the_replica_not_the_address(page: Page) -> None:
    """Title, header and footer have the name of the pod, since every replica may have the same address."""
    async with gateway(replica="dial-gateway-7c9d8f6b5d-x2x7k") as world:
        await page.show(390, 844)
        await open_console(page, world)
        await page.until("document.querySelector('#where').textContent === 'dial-gateway-7c9d8f6b5d-x2x7k'")
        assert await page.run("document.querySelector('#where').checkVisibility()") is True
        assert await page.run("document.title") == "dial-gateway-7c9d8f6b5d-x2x7k - Dial gateway"
        assert "Figures of dial-gateway-7c9d8f6b5d-x2x7k alone" in await page.run(
            "document.querySelector('footer').textContent"
        )
        assert "127.0.0.1" not in await page.run("document.querySelector('header').textContent")


async def test_the_theme_button_changes_the_theme_and_says_which(page: Page, world: World) -> None:
    """The button fits beside the title at each width, and its words are there where only its icon is seen."""
    await open_console(page, world)
    await page.until("document.querySelector('#where').textContent")
    for width, height in WIDTHS:
        await page.show(width, height)
        assert await page.run(THEME_BESIDE_TITLE) is True, width
        assert await page.run("document.querySelector('#theme').scrollWidth <= 200") is True
    for theme in ("light", "dark", "system"):
        await page.click("#theme")
        assert await page.run("document.querySelector('#theme').textContent") == f"Theme: {theme}"
        assert await page.run("document.querySelector('#theme .icon').dataset.is") == theme


@pytest.mark.timed
async def test_the_page_shows_the_failures_of_a_replacing_gateway(page: Page) -> None:
    """The page stays open when a new gateway replaces the old one; each numbers its failed calls from 1."""
    shown = "[...document.querySelectorAll('#failures .trace')].map(e => e.textContent)"
    async with gateway() as one, gateway() as other:
        traces = []
        for world in (one, other):
            world.fault(FaultKind.RESET)
            (result,) = await world.ask(*dials(1, expires_in=10.0))
            traces.append([result.trace_id])
        await open_console(page, one)
        assert await page.until(f"{shown}.length && {shown}") == traces[0]
        feed = one.gateway.admin.server._events
        feed._console, feed._newest = other.gateway.admin.console, None
        await page.run("document.dispatchEvent(new Event('visibilitychange'))")
        await page.until(f"{shown}[0] === {json.dumps(traces[1][0])}")


async def test_the_page_fits_a_phone(page: Page, world: World) -> None:
    """At 390 pixels nothing is wider than the page, however long a campaign id is."""
    await page.show(390, 844)
    await open_console(page, world)
    await world.ask(*dials(30), campaign="x" * 256)
    await page.until(f"{ROWS} === 1")
    assert await page.run("document.documentElement.scrollWidth") == 390
    assert await page.run(too_wide(390)) == []
    await page.run("document.querySelector('.campaigns .do button').focus()")
    await page.key("Enter")
    await page.until("document.querySelector('#ask').open")
    assert await page.run(too_wide(390)) == []


@pytest.mark.parametrize("dark", [False, True])
async def test_text_has_enough_contrast_in_both_themes(page: Page, world: World, dark: bool) -> None:
    """Every text, also in the dialog, has a contrast of at least 4.5 to its background."""
    world.simulator.connect.set_state("parked", CampaignState.PAUSED)
    await page.show(1280, 900, dark=dark)
    await open_console(page, world)
    stream = world.stream()
    await stream.send(*dials(5, "p"), campaign="parked")
    await world.ask(*dials(3), campaign=CAMPAIGN)
    await page.until("document.querySelector('[data-is=parked]')")
    assert await page.run(CONTRAST) == []
    await page.click(f"[aria-label='Hold {CAMPAIGN}']")
    await page.until("document.querySelector('#ask').open")
    await page.key("Enter")
    assert await page.run(CONTRAST) == []


@pytest.mark.timed
async def test_a_thousand_campaigns(page: Page) -> None:
    """With 1,000 changing campaigns, a change is visible within 2 s; page and gateway keep up."""
    async with gateway(call_rate=0.0) as world:
        await open_console(page, world)
        stream = world.stream()
        for number in range(1000):
            await stream.send(*dials(2, f"a{number}"), campaign=f"campaign-{number:04}")
        await page.until("document.querySelector('#states button').textContent === 'All 1,000'")
        await page.run("performance.clearMeasures()")
        took: list[float] = []
        for turn in range(3):
            for number in range(1000):
                await stream.send(*dials(1, f"b{turn}-{number}"), campaign=f"campaign-{number:04}")
            began = time.monotonic()
            campaign = f"campaign-late-{turn}"
            await page.run(f"document.querySelector('#find').value = '{campaign}'")
            await stream.send(*dials(1, f"c{turn}"), campaign=campaign)
            await page.until(f"({FIND}, {cell(campaign, 'Accepted')} !== undefined)")
            took.append(time.monotonic() - began)
        frames = await page.run("performance.getEntriesByName('look').map(e => e.duration)")
        console = world.gateway.admin.console
        told, began = await console.state(), time.process_time()
        for _ in range(10):
            console._snapshots.outdated()
            look = await console.state()
            messages.next_after(told._replace(campaigns={}), look)
        cost_ms = (time.process_time() - began) * 100
        log.info("seen after %.2f s, %.0f ms a frame, %.1f ms a look", max(took), max(frames), cost_ms)
        assert statistics.median(took) < UPDATE_S  # one of three may be slow on a busy machine
        assert statistics.median(frames) < 100
        assert cost_ms < 150


async def test_what_rules_refuse_is_shown(page: Page, world: World) -> None:
    """The part about the rules is hidden until a guard decides."""
    await open_console(page, world)
    shown = "document.querySelector('#guard').checkVisibility()"
    assert not await page.run(shown)
    keeper = world.gateway.guard
    keeper.suppressions.live.add(keeper.hashing.of(PHONE))
    keeper.activate()
    assert verdicts(await world.ask(dial("no"))) == ["REJECTED SUPPRESSED NEVER"]
    rows = "[...document.querySelectorAll('#guard-rows td')].map(e => e.textContent).join()"
    await page.until(f"{rows} === 'live,SUPPRESSED,1'")
    assert await page.run(shown)
    aside = await page.run("document.querySelector('#guard-aside').textContent")
    assert (
        aside == "no rules · 0 dial requests wait until they are allowed · 1 number suppressed by operators"
    )
