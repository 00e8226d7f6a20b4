"""The command `dialctl send` and time: leads that expire in the queue, and campaigns that take none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dialgateway.dialctl.results_file import HEADER as RESULTS_HEADER
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, Answers, Received, ScriptedGateway, accepted, answer
from tests.client.test_dialctl import Dialctl, leads

if TYPE_CHECKING:
    from tests.client.scripted import Context


@pytest.fixture
def dialctl(tmp_path: Path, gateway: ScriptedGateway) -> Dialctl:
    return Dialctl(tmp_path, gateway.target)


def too_late(
    index: int, token: str, reason: pb.Reason.ValueType = pb.REASON_EXPIRATION_PASSED
) -> pb.DialResult:
    return pb.DialResult(
        client_token=token,
        index=index,
        outcome=pb.OUTCOME_EXPIRED,
        reason=reason,
        retry_advice=pb.RETRY_ADVICE_SAME_TOKEN,
    )


async def test_a_lead_that_expired_in_the_queue_gets_a_new_time(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """As long as its campaign takes leads, one that came too late is handed over again."""

    seen: set[str] = set()

    def first_too_late(index: int, token: str) -> pb.DialResult:
        new = token not in seen
        seen.add(token)
        return too_late(index, token) if new and int(token[2:]) % 3 == 2 else accepted(index, token)

    async def every_third_too_late(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(*(first_too_late(index, token) for index, token in pairs))

    gateway.script = every_third_too_late
    assert await dialctl.send(leads(60), "--campaign", "c") == 0
    assert {row["outcome"] for row in dialctl.results()} == {"ACCEPTED"}
    assert len(dialctl.results()) == 60
    assert len(gateway.streams[0].tokens) == 80


async def test_a_campaign_that_takes_nothing_is_given_up(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """If no lead was taken during the time of a lead, it has expired, and the others are not sent."""

    async def nothing(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(*(too_late(index, token, pb.REASON_CAMPAIGN_NOT_RUNNING) for index, token in pairs))

    gateway.script = nothing
    assert await dialctl.send(leads(1000), "--campaign", "c") == 1
    outcomes = [row["outcome"] for row in dialctl.results()]
    assert len(outcomes) == 1000
    assert set(outcomes) == {"EXPIRED", "NOT_SENT"}
    assert outcomes.count("EXPIRED") == len(gateway.streams[0].tokens)
    assert "its campaign took nothing" in dialctl.results()[-1]["detail"]


async def test_an_expiration_of_the_list_is_not_extended(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """The user has said how long the lead is wanted."""

    async def nothing(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(*(too_late(index, token) for index, token in pairs))

    gateway.script = nothing
    text = f"client_token,phone_number,expiration_time\nt-0,{PHONE},2040-01-01T00:00:00Z\n"
    assert await dialctl.send(text, "--campaign", "c") == 1
    assert gateway.streams[0].tokens == ["t-0"]


async def test_campaigns_do_not_wait_for_each_other(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Leads of a campaign that takes none do not delay the leads after them in the file."""
    first = asyncio.Event()

    async def one_is_paused(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            if received.first[0].campaign_id == "paused":
                await first.wait()
            yield answer(*(accepted(index, token) for index, token in pairs))

    gateway.script = one_is_paused
    rows = "".join(f"p-{number},{PHONE},paused\n" for number in range(3000))
    rows += "".join(f"r-{number},{PHONE},running\n" for number in range(50))
    (dialctl.directory / "leads.csv").write_text("client_token,phone_number,campaign_id\n" + rows)
    process = await dialctl.start("send", "leads.csv", "--expires-in", "10m")
    file = dialctl.directory / "leads.results.csv"
    async with asyncio.timeout(20):
        while not file.exists() or file.read_text().count("ACCEPTED") < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert {row["campaign_id"] for row in dialctl.results()} == {"running"}
    first.set()
    assert await dialctl.wait(process) == 0
    assert len({row["client_token"] for row in dialctl.results()}) == 3050


async def test_a_lead_in_doubt_that_expired_in_the_queue_gets_a_new_time(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """It is UNKNOWN because an earlier run may have sent it, and is sent again."""
    seen: set[str] = set()

    def first_too_late(index: int, token: str) -> pb.DialResult:
        new = token not in seen
        seen.add(token)
        return too_late(index, token) if new and int(token[2:]) % 3 == 2 else accepted(index, token)

    async def every_third_too_late(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(*(first_too_late(index, token) for index, token in pairs))

    gateway.script = every_third_too_late
    unknown = "".join(f"{at + 2},t-{at},c,UNKNOWN,,,,,,,,\n" for at in range(60))
    (dialctl.directory / "leads.results.csv").write_text(",".join(RESULTS_HEADER) + "\n" + unknown)
    assert await dialctl.send(leads(60), "--campaign", "c") == 0
    assert len(gateway.streams[0].tokens) == 80
