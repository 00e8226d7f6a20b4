"""The command `dialctl` with a real gateway, slow campaigns, and runs that are killed."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.client.processes import World, world
from tests.client.scripted import PHONE
from tests.client.test_dialctl import Dialctl, leads
from tests.ports import reserved_port

NOT_DIALED = {"NOT_SENT", "NOT_ACCEPTED", "EXPIRED", "REJECTED", "INVALID_ROW"}


@pytest.fixture
async def connect() -> AsyncIterator[World]:
    with reserved_port() as port:
        async with world(port, DIAL_GATEWAY_EXPIRY_HEADROOM="1") as made:
            yield made


@pytest.fixture
def dialctl(tmp_path: Path, connect: World) -> Dialctl:
    return Dialctl(tmp_path, connect.target)


async def control(connect: World, path: str, document: Mapping[str, object], method: str = "PUT") -> None:
    """Send a command to the simulator."""

    def send() -> None:
        url = f"{connect.simulator}/_control/{path}"
        sent = Request(url, json.dumps(document).encode(), method=method)  # noqa: S310 - loopback
        with urlopen(sent, timeout=10) as response:  # noqa: S310 - loopback
            response.read()

    await asyncio.to_thread(send)


def whole_lines(file: Path) -> dict[str, str]:
    """Return the last outcome of each token, from a file that may end with a partial line."""
    text = file.read_text()
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return {row["client_token"]: row["outcome"] for row in rows}


async def test_killed_again_and_again_nobody_is_dialed_twice(dialctl: Dialctl, connect: World) -> None:
    """After four runs that end by SIGKILL and one that does not, each lead was dialed once."""
    await control(connect, "buffers/c", {"capacity": 50, "drain_per_s": 150})
    await control(connect, "faults", {"kind": "reset", "probability": 0.1, "after_work": True}, method="POST")
    (dialctl.directory / "leads.csv").write_text(leads(600))
    arguments = ("send", "leads.csv", "--campaign", "c", "--expires-in", "30s")
    results = dialctl.directory / "leads.results.csv"
    for _ in range(4):
        lines = len(whole_lines(results)) if results.exists() else 0
        process = await dialctl.start(*arguments)
        async with asyncio.timeout(20):
            while not results.exists() or len(whole_lines(results)) < lines + 60:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        process.kill()
        await process.communicate()
        outcomes, dialed = whole_lines(results), await connect.accepted()
        assert {token for token, outcome in outcomes.items() if outcome == "ACCEPTED"} <= dialed.keys()
        assert not {token for token, outcome in outcomes.items() if outcome in NOT_DIALED} & dialed.keys()
    assert await dialctl.wait(await dialctl.start(*arguments), patience_s=40) == 0
    assert await connect.accepted() == dict.fromkeys((f"t-{number}" for number in range(600)), 1)
    assert set(whole_lines(results).values()) == {"ACCEPTED"}


@pytest.mark.timed
async def test_no_lead_expires_before_a_slow_campaign_takes_it(dialctl: Dialctl, connect: World) -> None:
    """400 leads for a campaign that takes 50 a second, with 12 seconds for each lead: all are accepted.

    The gateway pauses when the buffer of the campaign is full, so it uses about half of the campaign's rate.
    """
    await control(connect, "buffers/c", {"capacity": 25, "drain_per_s": 50})
    (dialctl.directory / "leads.csv").write_text(leads(400))
    started = asyncio.get_running_loop().time()
    process = await dialctl.start("send", "leads.csv", "--campaign", "c", "--expires-in", "12s")
    assert await dialctl.wait(process, patience_s=60) == 0
    took = asyncio.get_running_loop().time() - started
    assert [row["outcome"] for row in dialctl.results()] == ["ACCEPTED"] * 400
    assert took < 2.5 * 400 / 50


async def test_the_state_of_each_campaign_is_shown_while_others_are_served(
    dialctl: Dialctl, connect: World
) -> None:
    """PARKED, HELD and COOLING are on the screen and in the summary, while a running campaign is served."""
    for campaign, told in (("parked", {"state": "Paused"}), ("held", {}), ("running", {}), ("cooling", {})):
        await control(connect, f"campaigns/{campaign}", {"exists": True, **told})
    await control(connect, "buffers/cooling", {"capacity": 1, "drain_per_s": 0.01})
    assert (
        await dialctl.wait(await dialctl.start("hold", "held", "--in-advance", "--reason", "wrong list")) == 0
    )
    kept = ("parked", "held", "cooling")
    rows = [f"{campaign}-{number},{PHONE},{campaign}\n" for campaign in kept for number in range(1000)]
    rows += [f"running-{number},{PHONE},running\n" for number in range(50)]
    (dialctl.directory / "leads.csv").write_text("client_token,phone_number,campaign_id\n" + "".join(rows))
    process = await dialctl.start("send", "leads.csv", "--expires-in", "5m")
    results = dialctl.directory / "leads.results.csv"
    async with asyncio.timeout(20):
        while not results.exists() or results.read_text().count("ACCEPTED") < 51:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(4.5)  # a line is written every two seconds
    process.send_signal(signal.SIGINT)
    assert await dialctl.wait(process) == 130
    for words in (dialctl.err, dialctl.out):
        assert (
            "campaign parked is PARKED: it continues after the campaign is started or resumed in Amazon"
            in words
        )
        assert "campaign held is HELD: it continues after an operator releases it" in words
        assert "campaign cooling is COOLING: Amazon Connect takes no more for now; the gateway tries" in words
        assert "campaign running" not in words
    outcomes, dialed = whole_lines(results), await connect.accepted()
    assert all(outcomes[f"running-{number}"] == "ACCEPTED" for number in range(50))
    assert len(outcomes) == 3050
    assert not {token for token, outcome in outcomes.items() if outcome in NOT_DIALED} & dialed.keys()
