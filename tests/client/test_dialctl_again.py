"""`dialctl send` with the results of an earlier run: interrupted, killed, cut off, or of another list."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dialgateway.dialctl.results import HEADER, UNDER_WAY
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, Answers, Received, ScriptedGateway, accepted, answer
from tests.client.test_dialctl import Dialctl, leads

if TYPE_CHECKING:
    from tests.client.scripted import Context

SEND = ("send", "leads.csv", "--campaign", "c", "--expires-in", "10m")


@pytest.fixture
def dialctl(tmp_path: Path, gateway: ScriptedGateway) -> Dialctl:
    return Dialctl(tmp_path, gateway.target)


def line(number: int, token: str, outcome: str) -> str:
    return f"{number},{token},c,{outcome},,,,,,,\n"


def results(*lines: str) -> str:
    return ",".join(HEADER) + "\n" + "".join(lines)


def last_outcomes(dialctl: Dialctl) -> dict[str, str]:
    return {row["client_token"]: row["outcome"] for row in dialctl.results()}


def tokens(gateway: ScriptedGateway) -> list[str]:
    return [token for stream in gateway.streams for token in stream.tokens]


def refuse(outcome: pb.Outcome.ValueType) -> object:
    async def script(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(
                *(
                    pb.DialResult(
                        client_token=token,
                        index=index,
                        outcome=outcome,
                        retry_advice=pb.RETRY_ADVICE_NEVER,
                        detail="no",
                    )
                    for index, token in pairs
                )
            )

    return script


async def run(dialctl: Dialctl, list_: str, earlier: str | None, *arguments: str) -> int:
    (dialctl.directory / "leads.csv").write_text(list_)
    if earlier is not None:
        (dialctl.directory / "leads.results.csv").write_text(earlier, newline="")
    return await dialctl.wait(await dialctl.start(*SEND, *arguments))


async def test_only_what_is_not_settled_is_sent(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Settled leads are left alone; all others are sent with their tokens, and their lines appended."""
    outcomes = ["ACCEPTED", "REJECTED", "EXPIRED", "NOT_ACCEPTED", "UNKNOWN", "UNANSWERED", "NOT_SENT"]
    earlier = results(*(line(at + 2, f"t-{at}", outcome) for at, outcome in enumerate(outcomes)))
    assert await run(dialctl, leads(8), earlier) == 1
    assert tokens(gateway) == ["t-3", "t-4", "t-5", "t-6", "t-7"]
    assert len(dialctl.results()) == 12
    assert list(last_outcomes(dialctl).values()) == ["ACCEPTED", "REJECTED", "EXPIRED", *["ACCEPTED"] * 5]
    assert "settled by earlier runs and not sent again: 1 ACCEPTED, 1 REJECTED, 1 EXPIRED" in dialctl.out


async def test_a_list_that_is_done_is_exit_0(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Run again behind its end, nothing is sent, and every lead is still accepted."""
    assert await run(dialctl, leads(300), None) == 0
    before = (dialctl.directory / "leads.results.csv").read_bytes()
    assert await run(dialctl, leads(300), None) == 0
    assert (dialctl.directory / "leads.results.csv").read_bytes() == before
    assert len(tokens(gateway)) == 300


async def test_the_last_line_of_a_lead_counts(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A lead that was accepted behind an UNKNOWN is settled."""
    earlier = results(line(2, "t-0", "UNKNOWN"), line(2, "t-0", "ACCEPTED"))
    assert await run(dialctl, leads(1), earlier) == 0
    assert tokens(gateway) == []


@pytest.mark.parametrize("cut", [1, 10, 30])
async def test_half_a_line_is_cut_off(dialctl: Dialctl, gateway: ScriptedGateway, cut: int) -> None:
    """A line that was being written when the command was killed is dropped, and its lead sent again."""
    whole = results(
        line(2, "t-0", "ACCEPTED"), line(3, "t-1", "ACCEPTED").replace(",,,,\n", ',"de,tail",,,\n')
    )
    assert await run(dialctl, leads(2), whole[:-cut]) == 0
    assert tokens(gateway) == ["t-1"]
    assert list(last_outcomes(dialctl)) == ["t-0", "t-1"]


async def test_half_a_header_is_begun_anew(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A run that was killed at its very first write leaves nothing in the way."""
    assert await run(dialctl, leads(1), "line,client_to") == 0
    with (dialctl.directory / "leads.results.csv").open(newline="") as file:
        assert next(csv.reader(file)) == list(HEADER)


async def test_results_of_another_list_are_refused(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Lines of leads that the list has not are told, nothing is sent and nothing is changed."""
    earlier = results(line(2, "t-0", "ACCEPTED"), line(3, "other-1", "UNKNOWN"))
    assert await run(dialctl, leads(5), earlier) == 2
    assert "results of another list: 1 of its 2 leads" in dialctl.err
    assert "--results" in dialctl.err
    assert tokens(gateway) == []
    assert (dialctl.directory / "leads.results.csv").read_text() == earlier


async def test_the_campaign_is_part_of_a_lead(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """The same tokens for another campaign are another list."""
    assert await run(dialctl, leads(1), results(line(2, "t-0", "ACCEPTED").replace(",c,", ",d,"))) == 2
    assert tokens(gateway) == []


@pytest.mark.parametrize(
    "content",
    ["name,phone\nAda,1\n", results("2,t-0,c,DONE,,,,,,,\n"), results("2,t-0\n"), results('2,"t\n')],
)
async def test_a_file_of_something_else_is_refused(
    dialctl: Dialctl, gateway: ScriptedGateway, content: str
) -> None:
    """A file that dialctl has not written is neither read as results nor written to."""
    assert await run(dialctl, leads(1), content) == 2
    assert "dialctl" in dialctl.err
    assert (dialctl.directory / "leads.results.csv").read_text() == content


async def test_a_killed_run_is_taken_up(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """SIGKILL in the middle, run again: what has a line is not sent, everything else is, nothing is lost."""
    answered = 250

    async def some(received: Received, context: Context) -> Answers:
        await received.read(400)
        for index in range(answered):
            yield answer(accepted(index, f"t-{index}"))
        await asyncio.Event().wait()

    script, gateway.script = gateway.script, some
    (dialctl.directory / "leads.csv").write_text(leads(1000))
    process = await dialctl.start(*SEND)
    file = dialctl.directory / "leads.results.csv"
    while not file.exists() or file.read_text().count("ACCEPTED") < 100:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    process.kill()
    await process.communicate()
    lines = file.read_text().count("\n") - 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(1000), None) == 0
    assert tokens(gateway) == [f"t-{number}" for number in range(lines, 1000)]
    assert last_outcomes(dialctl) == {f"t-{number}": "ACCEPTED" for number in range(1000)}


async def test_doubt_outlives_a_kill(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """What an earlier run may have sent is not REJECTED by the word of the next; what it cannot have is."""
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    count = UNDER_WAY + 10
    earlier = results(
        line(2, "t-0", "NOT_ACCEPTED"), line(3, "t-1", "UNANSWERED"), line(4, "t-2", "NOT_SENT")
    )
    assert await run(dialctl, leads(count + 3), earlier, "--quiet") == 1
    outcomes = list(last_outcomes(dialctl).values())
    assert outcomes[:3] == ["REJECTED", "UNKNOWN", "REJECTED"]
    assert outcomes[3:] == ["UNKNOWN"] * UNDER_WAY + ["REJECTED"] * 10


async def test_a_token_with_odd_characters_is_found_again(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A line is a line: a token with a line end in it does not break the file for the next run."""
    list_ = f'client_token,phone_number\n"a\nb\\c",{PHONE}\n'
    assert await run(dialctl, list_, None) == 0
    assert await run(dialctl, list_, None) == 0
    assert len(tokens(gateway)) == 1


async def test_a_pipe_is_taken_up_too(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Standard input is read once only; what is settled there is left out all the same."""
    (dialctl.directory / "stdin.results.csv").write_text(results(line(2, "t-0", "ACCEPTED")))
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m")
    assert await dialctl.wait(process, leads(2).encode()) == 0
    assert tokens(gateway) == ["t-1"]
