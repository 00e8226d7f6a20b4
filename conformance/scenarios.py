"""The scenarios, each run by all clients at the same time against one world."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping

from conformance.balancer import Balancer, balancer_before
from conformance.caller import PHONE, Call, Caller
from conformance.worlds import Clients, Findings, Meeting, all_ended, exactly, holds, meeting, went_well
from tests.faults.bars import Check
from tests.faults.pinned_proxies import PinnedProxy
from tests.faults.proxies import Proxy
from tests.faults.world import World, world_of
from tests.integration.admin import get

Scenario = Callable[[Clients], Awaitable[Findings]]

KEEPALIVE_S = 10.0
"""The shortest keepalive that the gateway accepts, so that three pass soon."""
ARN = "arn:aws:connect:us-east-1:111122223333:instance/i/phone-number/p"
ARN_RULE = "must be an ARN of 20 to 500 characters"
MESSAGES = {"sms": "sms", "email": "email", "whats_app": "whatsApp"}
"""Kinds of messages, with the names that the journal of Connect has for them."""
LONGEST_GAP_S = 2.0
"""The longest gap in answers while both replicas are replaced."""


def dials(count: int, prefix: str = "d-", **more: object) -> list[dict[str, object]]:
    """Describe requests for a `dial` or `put`."""
    usual = {"phone": PHONE, "expires_in_s": 600, "attributes": {"language": "en"}}
    return [{"token": f"{prefix}{number}", **usual, **more} for number in range(count)]


def of_channels(prefix: str) -> list[dict[str, object]]:
    """Describe a request of each channel, one without, and one with an invalid channel."""
    fields: dict[str, dict[str, object]] = {
        "telephony": {"source": "+12025550199", "ring_timeout_s": 30, "await_prompt": True},
        "sms": {"source": ARN, "template": ARN},
        "email": {"address": "ada@example.com", "source": "news@example.com", "template": ARN},
        "whats_app": {"source": ARN, "template": ARN},
    }
    described = dials(1, token=f"{prefix}-plain")
    for kind, given in fields.items():
        phone = "" if kind == "email" else PHONE
        described += dials(1, token=f"{prefix}-{kind}", phone=phone, channel={"kind": kind, **given})
    return described + dials(1, token=f"{prefix}-bad", channel={"kind": "sms", "template": "no ARN"})


def begun(meeting: Meeting, call: Callable[[Caller], Call]) -> dict[Caller, Call]:
    """Let every client begin a call."""
    return {caller: call(caller) for caller in meeting.callers}


def well(calls: Mapping[Caller, Call]) -> dict[Caller, list[Check]]:
    """Return the check that each call has ended without an error."""
    return {caller: [went_well(call)] for caller, call in calls.items()}


async def three_campaigns(clients: Clients) -> Findings:
    """2,000 requests over three campaigns, then a list by `put`."""
    async with world_of() as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.generate(2000, "t-", "c1", "c2", "c3"))
        await all_ended(calls)
        puts = begun(met, lambda caller: caller.send(dials(20, "p-"), do="put"))
        await all_ended(puts)
        checks = {
            caller: [
                went_well(call),
                went_well(puts[caller]),
                exactly("requests offered", call.offered or 0, 2000),
                exactly("campaigns dialed", len({answer["campaign"] for answer in call.answers}), 3),
            ]
            for caller, call in calls.items()
        }
        return met.findings("2,000 requests over three campaigns", checks)


async def sigterm(clients: Clients) -> Findings:
    """The gateway gets SIGTERM in the middle, drains, and restarts."""
    async with world_of(rate=40.0, settings={"drain_grace": "1"}) as world, meeting(world, clients) as met:
        return await _restarted(met, signal.SIGTERM, "SIGTERM in the middle of 2,000 requests")


async def sigkill(clients: Clients) -> Findings:
    """The gateway gets SIGKILL in the middle, and restarts."""
    async with world_of(rate=40.0) as world, meeting(world, clients) as met:
        return await _restarted(met, signal.SIGKILL, "SIGKILL in the middle of 2,000 requests")


async def _restarted(met: Meeting, number: signal.Signals, title: str) -> Findings:
    calls = begun(met, lambda caller: caller.generate(2000 // len(met.callers)))
    await asyncio.gather(*(call.until_answers(50) for call in calls.values()))
    await met.world.gateway.restart(number)
    await all_ended(calls)
    return met.findings(title, well(calls))


async def stream_age(clients: Clients) -> Findings:
    """Streams end at an age of two seconds, several times during one call."""
    settings = {"stream_max_age": "2"}
    async with world_of(rate=20.0, settings=settings) as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.generate(3000 // len(met.callers)))
        await all_ended(calls)
        return met.findings("stream age of 2 s, 6 s of requests", well(calls))


async def held(clients: Clients) -> Findings:
    """A campaign is held for longer than three keepalives, and then released."""
    async with world_of() as world, meeting(world, clients, keepalive=str(int(KEEPALIVE_S))) as met:
        for caller in met.callers:
            await caller.operate("hold", "c1", reason="conformance")
            caller.recorder.held(caller.campaign("c1"))
        calls = begun(met, lambda caller: caller.send(dials(50)))
        await asyncio.gather(*(call.until_notice("CAMPAIGN_HELD") for call in calls.values()))
        await asyncio.sleep(3.5 * KEEPALIVE_S)
        checks = {caller: [await _is_held(caller, call)] for caller, call in calls.items()}
        for caller in met.callers:
            caller.recorder.released(caller.campaign("c1"))
            await caller.operate("release", "c1", reason="conformance")
        await all_ended(calls)
        for caller, call in calls.items():
            checks[caller] += [went_well(call), holds("told RESUMED", "CAMPAIGN_RESUMED" in call.kinds())]
        return met.findings("a campaign held for 35 s with a keepalive of 10 s", checks)


async def _is_held(caller: Caller, call: Call) -> Check:
    listing = await caller.operate("campaigns")
    states = {each["campaign"]: each["state"] for each in listing.others[0]["campaigns"]}
    waits = not call.answers and call.end is None
    return holds("held, and nothing answered", waits and states.get(caller.campaign("c1")) == "HELD")


async def parked(clients: Clients) -> Findings:
    """Connect pauses a campaign and runs it again: callers get the notices PARKED and RESUMED."""
    async with world_of() as world, meeting(world, clients) as met:
        for caller in met.callers:
            await world.control("PUT", f"campaigns/{caller.campaign('c1')}", {"state": "Paused"})
        calls = begun(met, lambda caller: caller.send(dials(50)))
        await asyncio.gather(*(call.until_notice("CAMPAIGN_PARKED") for call in calls.values()))
        for caller in met.callers:
            await world.control("PUT", f"campaigns/{caller.campaign('c1')}", {"state": "Running"})
        await all_ended(calls)
        checks = {
            caller: [went_well(call), holds("told RESUMED", "CAMPAIGN_RESUMED" in call.kinds())]
            for caller, call in calls.items()
        }
        return met.findings("notices PARKED and RESUMED", checks)


async def replaced(clients: Clients) -> Findings:
    """Two replicas are replaced one after the other behind a balancer of connections, or the proxy."""
    settings = {"drain_grace": "2"}
    async with (
        world_of(gateways=2, rate=20.0, settings=settings) as world,
        balancer_before([int(target.rpartition(":")[2]) for target in world.targets]) as balancer,
        meeting(world, clients, "" if clients.proxy else balancer.target) as met,
    ):
        calls = begun(met, lambda caller: caller.generate(6000 // len(met.callers)))
        await asyncio.gather(*(call.until_answers(50) for call in calls.values()))
        for number in range(len(world.gateways)):
            await _replaced(world, met.proxy or balancer, number)
        await all_ended(calls)
        checks = {
            caller: [
                went_well(call),
                Check("longest gap in answers, s", call.longest_gap_s, "{:.2f}", at_most=LONGEST_GAP_S),
            ]
            for caller, call in calls.items()
        }
        return met.findings("two replicas replaced", checks)


async def _replaced(world: World, front: Proxy | PinnedProxy | Balancer, number: int) -> None:
    """Replace a gateway by another on its port, as a rollout does."""
    await front.mark(number, down=True)
    await world.gateways[number].restart(signal.SIGTERM)
    async with asyncio.timeout(30):
        while (await get(world.admin_ports[number], "/readyz")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await front.mark(number, down=False)
    await asyncio.sleep(1.0)


async def channels(clients: Clients) -> Findings:
    """Each client sends a request of each channel to a campaign of V2, by `dial` and by `put`."""
    async with world_of(settings={"connect_api": "v2"}) as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.send(of_channels("d")))
        await all_ended(calls)
        puts = begun(met, lambda caller: caller.send(of_channels("p"), do="put"))
        await all_ended(puts)
        checks = well(calls)
        for caller, call in puts.items():
            own = [one for one in world.calls() if one.campaign == caller.campaign("c1")]
            sent = {token: name for one in own for token, name in one.channels.items()}
            expected = {f"{do}-{kind}": name for do in "dp" for kind, name in MESSAGES.items()}
            answers = {answer["token"]: answer for answer in (*calls[caller].answers, *call.answers)}
            refused = [answers[f"{do}-bad"]["detail"] for do in "dp"]
            checks[caller] += [
                went_well(call),
                exactly("requests sent", sum(one.items for one in own), 10),
                holds("each by its channel", sent == expected),
                holds("details name the field", refused == [f"sms.template_arn: {ARN_RULE}"] * 2),
            ]
        return met.findings("requests of all channels", checks, accepted_percent=None)


SCENARIOS: Mapping[str, Scenario] = {
    "three-campaigns": three_campaigns,
    "sigterm": sigterm,
    "sigkill": sigkill,
    "stream-age": stream_age,
    "held": held,
    "parked": parked,
    "replaced": replaced,
    "channels": channels,
}
