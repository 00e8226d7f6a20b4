"""The compliance guard in a whole gateway, with a simulated Connect."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.core.campaigns.holds import Hold
from gateway.simulator import SimulatorSettings
from tests.files import put
from tests.integration.world import CAMPAIGN, WorldOptions, dial, dials, until, verdicts, world_of

DAY_S = 86_400.0
MINUTE_S = 60.0
OTHER = "+12065550199"
HOLD = Hold("operator", "why", 0.0)


def rules(hours: str, **keys: str) -> str:
    """Return a guard file with one rule for all campaigns, in UTC."""
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return (
        "version: 1\nlists: {dnc: {file: dnc.txt}}\n"
        f'rules: [{{name: day, campaigns: ["*"], hours: {hours}, zone: {{fixed: Etc/UTC}}, '
        f"numbers: e164{more}}}]\n"
    )


def daily(begin: float, end: float) -> str:
    """Return the hours from one instant to another, on each day."""
    first, last = (datetime.fromtimestamp(instant, UTC).strftime("%H:%M") for instant in (begin, end))
    return f'{{monday-sunday: ["{first}-{last}"]}}'


def guarded(folder: Path, text: str, listed: str = "") -> dict[str, Any]:
    """Write the files of a guard; return the settings that name them."""
    path, numbers = folder / "guard.yaml", folder / "dnc.txt"
    put(numbers, listed)
    put(path, text.replace("dnc.txt", str(numbers)))
    return {"guard_file": str(path)}


async def test_outside_calling_hours_nothing_is_sent(tmp_path: Path) -> None:
    """The answer says when the hours open."""
    now = time.time()
    closed = rules(daily(now + 3 * 3_600, now + 4 * 3_600))
    async with world_of(**guarded(tmp_path, closed)) as world:
        (result,) = await world.ask(dial("early"))
        assert verdicts([result]) == ["NOT_ACCEPTED OUTSIDE_CALLING_HOURS SAME_TOKEN"]
        assert 2 * 3_600 < result.retry_after.seconds <= 3 * 3_600
        assert "day" in result.detail
        assert not world.calls()


async def test_a_suppressed_number_is_rejected_and_others_are_sent(tmp_path: Path) -> None:
    """The detail names rule and list, and not the number."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
    async with world_of(**settings) as world:
        results = await world.ask(dial("yes"), dial("no", phone_number=OTHER))
        assert verdicts(results) == ["ACCEPTED", "REJECTED SUPPRESSED NEVER"]
        assert results[1].detail == "rule day: lists: phone_number is in dnc"
        assert (world.dialed("yes"), world.dialed("no")) == (1, 0)


async def test_connect_gets_closing_time_as_the_expiration(tmp_path: Path) -> None:
    """A request that expires after closing must not be dialed after it: Connect here refuses later times."""
    now = time.time()
    closing = (now // MINUTE_S + 3) * MINUTE_S
    options = WorldOptions(simulator=SimulatorSettings(call_rate=0, max_expiration_ahead_s=4 * MINUTE_S))
    async with world_of(options, **guarded(tmp_path, rules(daily(now - 3_600, closing)))) as world:
        results = await world.ask(dial("long", expires_in=600.0), dial("short", expires_in=60.0))
        assert verdicts(results) == ["ACCEPTED", "ACCEPTED"]
    async with world_of(options) as world:
        assert verdicts(await world.ask(dial("long", expires_in=600.0))) == ["REJECTED INVALID_INPUT NEVER"]


async def test_requests_wait_for_the_opening_and_go_when_the_rules_change(tmp_path: Path) -> None:
    """A change of the file opens the hours; the stream that waits is answered."""
    now = time.time()
    settings = guarded(tmp_path, rules(daily(now + 3 * 3_600, now + 4 * 3_600)))
    async with world_of(**settings) as world:
        caller = world.stream()
        await caller.send(*dials(3, expires_in=DAY_S))
        await until(lambda: world.gateway.engine.guarding.waiting == 3)
        assert not world.calls()
        guarded(tmp_path, rules("always"))
        world.gateway.reread()
        assert verdicts(await caller.read(3)) == ["ACCEPTED"] * 3


async def test_a_new_list_answers_what_waits_in_a_queue(tmp_path: Path) -> None:
    """Requests of a held campaign are answered as soon as their number is listed."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"))
    async with world_of(**settings) as world:
        await world.gateway.replica.dispatcher.campaign_actions.hold(CAMPAIGN, HOLD)
        caller = world.stream()
        await caller.send(dial("queued", phone_number=OTHER), dial("other"))
        guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
        world.gateway.reread()
        (result,) = await caller.read(1)
        assert (result.client_token, *verdicts([result])) == ("queued", "REJECTED SUPPRESSED NEVER")


async def test_a_truncated_list_does_not_replace_the_complete_one(tmp_path: Path) -> None:
    """Its writer may need a minute until all numbers are in it again."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
    async with world_of(**settings) as world:
        (tmp_path / "dnc.txt").write_text("")
        for _ in range(3):
            await world.gateway.guard.reread()
        assert verdicts(await world.ask(dial("no", phone_number=OTHER))) == ["REJECTED SUPPRESSED NEVER"]
        put(tmp_path / "dnc.txt", "+12065550198\n")
        await world.gateway.guard.reread()
        assert verdicts(await world.ask(dial("yes", phone_number=OTHER))) == ["ACCEPTED"]
