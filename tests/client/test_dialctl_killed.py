"""The command `dialctl send` after a run that was killed, or while another one runs.

Who may have been dialed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, Answers, Received, ScriptedGateway, accepted, answer
from tests.client.test_dialctl import Dialctl, leads
from tests.client.test_dialctl_next_run import SEND, last_outcomes, line, refuse, results, run, tokens

if TYPE_CHECKING:
    from tests.client.scripted import Context


@pytest.fixture
def dialctl(tmp_path: Path, gateway: ScriptedGateway) -> Dialctl:
    return Dialctl(tmp_path, gateway.target)


async def test_a_killed_run_is_continued(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """After a SIGKILL the next run sends every lead that has no line, and no other."""
    answered = 70

    async def some(received: Received, context: Context) -> Answers:
        await received.read(100)
        for index in range(answered):
            yield answer(accepted(index, f"t-{index}"))
        await asyncio.Event().wait()

    script, gateway.script = gateway.script, some
    (dialctl.directory / "leads.csv").write_text(leads(1000))
    process = await dialctl.start(*SEND)
    file = dialctl.directory / "leads.results.csv"
    while not file.exists() or file.read_text().count("ACCEPTED") < 30:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    process.kill()
    await process.communicate()
    lines = file.read_text().count("\n") - 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(1000), None) == 0
    assert tokens(gateway) == [f"t-{number}" for number in range(lines, 1000)]
    assert last_outcomes(dialctl) == {f"t-{number}": "ACCEPTED" for number in range(1000)}


UNDER_WAY = "leads.results.csv.under-way"


async def test_leads_that_a_killed_run_may_have_sent_are_in_doubt(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Leads that the killed run cannot have handed over are not in doubt.

    A line from before that run does not say anything about it; a line that the run has written does.
    """
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    earlier = results(
        line(2, "t-0", "NOT_ACCEPTED"),
        line(3, "t-1", "UNANSWERED"),
        line(4, "t-2", "NOT_SENT"),
        line(5, "t-3", "NOT_ACCEPTED"),
    )
    (dialctl.directory / UNDER_WAY).write_text("c,2,t-0 t-2 t-3 t-4,\nc,2,t-5")  # the last line is incomplete
    assert await run(dialctl, leads(7), earlier, "--quiet") == 1
    assert list(last_outcomes(dialctl).values()) == [
        *("UNKNOWN", "UNKNOWN", "REJECTED", "REJECTED", "UNKNOWN", "REJECTED", "REJECTED")
    ]
    assert not (dialctl.directory / UNDER_WAY).exists()


async def test_leads_in_doubt_are_found_by_token_not_by_line(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """The list may be sorted or edited after a kill."""
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    (dialctl.directory / UNDER_WAY).write_text("c,0,t-2,\n")
    head, *rows = leads(3).splitlines(keepends=True)
    assert await run(dialctl, head + "".join(reversed(rows)), None) == 1
    assert last_outcomes(dialctl) == {"t-0": "REJECTED", "t-1": "REJECTED", "t-2": "UNKNOWN"}


async def test_a_corrected_lead_that_a_kill_left_in_doubt_is_not_settled(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Refused, corrected, killed while the correction was sent, corrected back: it is sent, in doubt."""
    refused, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    gateway.script = refused
    (dialctl.directory / UNDER_WAY).write_text("c,1,t-0,\n")
    assert await run(dialctl, leads(1), None) == 0
    assert tokens(gateway) == ["t-0"] * 2


async def test_leads_that_were_handed_over_are_not_sent_to_another_campaign(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """A killed run may have dialed leads without a line; another --campaign would dial them again."""
    (dialctl.directory / UNDER_WAY).write_text("other,0,t-0 t-1,\n")
    assert await run(dialctl, leads(2), None) == 2
    assert "2 leads were accepted or may have been dialed for campaign 'other'" in dialctl.err
    assert tokens(gateway) == []
    assert (dialctl.directory / UNDER_WAY).read_text() == "other,0,t-0 t-1,\n"


async def test_a_damaged_handover_log_is_refused(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Without it nobody knows who may have been dialed."""
    (dialctl.directory / UNDER_WAY).write_text("c;0;t-0;\n")
    assert await run(dialctl, leads(1), None) == 2
    assert "was changed" in dialctl.err
    assert tokens(gateway) == []


@pytest.mark.parametrize("spoiled", ["t-0,n/a,x\n", f"t-1,{PHONE},x\nt-0,{PHONE},x\n"])
async def test_an_accepted_lead_stays_settled_if_its_row_becomes_invalid(
    dialctl: Dialctl, gateway: ScriptedGateway, spoiled: str
) -> None:
    """A row that cannot be sent, or is left out, does not replace the earlier answer."""
    assert await run(dialctl, leads(2), None) == 0
    head = leads(0)
    other = f"t-1,{PHONE},x\n" if "t-1" not in spoiled else ""
    await run(dialctl, head + spoiled + other, None, "--one-dial-per-number")
    assert await run(dialctl, leads(2), None) == 0
    assert tokens(gateway) == ["t-0", "t-1"]
    assert set(last_outcomes(dialctl).values()) == {"ACCEPTED"}


async def test_a_repeated_token_is_dialed_once_by_any_number_of_runs(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """The line of the second row does not replace the answer to the first one."""
    earlier = results(line(2, "t-0", "ACCEPTED"), line(3, "t-0", "INVALID_ROW"))
    twice = leads(1) + f"t-0,{PHONE},x\n"
    assert await run(dialctl, twice, earlier) == 1
    assert await run(dialctl, twice, None) == 1
    assert tokens(gateway) == []
    assert dialctl.results()[-1] == {**dialctl.results()[-1], "client_token": "", "outcome": "INVALID_ROW"}


async def test_a_lead_in_doubt_stays_in_doubt_if_its_row_becomes_invalid(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """A lead that may have been dialed does not become INVALID_ROW."""
    earlier = results(line(2, "t-0", "UNKNOWN"))
    assert await run(dialctl, leads(0) + "t-0,n/a,x\n", earlier) == 1
    assert last_outcomes(dialctl) == {"t-0": "UNANSWERED"}
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    assert last_outcomes(dialctl) == {"t-0": "UNKNOWN"}


async def test_a_second_run_at_the_same_time_is_refused(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """It would not know which leads the first one has handed over."""

    async def silent(received: Received, context: Context) -> Answers:
        await received.read(10)
        await asyncio.Event().wait()
        yield answer()

    gateway.script = silent
    (dialctl.directory / "leads.csv").write_text(leads(1))
    first = await dialctl.start(*SEND)
    await asyncio.wait_for(gateway.opened.wait(), 10)
    assert await run(dialctl, leads(1), None) == 2
    assert "another dialctl is writing to it" in dialctl.err
    first.kill()
    await first.communicate()
    assert len(gateway.streams) == 1
