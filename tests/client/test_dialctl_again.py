"""`dialctl send` with the results of an earlier run: interrupted, killed, cut off, or of another list."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dialgateway.dialctl.results_file import HEADER
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


def refuse(outcome: pb.Outcome.ValueType, reason: pb.Reason.ValueType = pb.REASON_INVALID_INPUT) -> object:
    async def script(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(
                *(
                    pb.DialResult(
                        client_token=token,
                        index=index,
                        outcome=outcome,
                        reason=reason,
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
    """Accepted leads are left alone; others are sent with their tokens, and their lines appended."""
    outcomes = ["ACCEPTED", "NOT_ACCEPTED", "UNKNOWN", "UNANSWERED", "NOT_SENT", "INVALID_ROW", "LEFT_OUT"]
    earlier = results(*(line(at + 2, f"t-{at}", outcome) for at, outcome in enumerate(outcomes)))
    assert await run(dialctl, leads(8), earlier) == 0
    assert tokens(gateway) == [f"t-{number}" for number in range(1, 8)]
    assert len(dialctl.results()) == 14
    assert set(last_outcomes(dialctl).values()) == {"ACCEPTED"}
    assert "settled by earlier runs and not sent again: 1 ACCEPTED" in dialctl.out


async def test_a_rejected_lead_is_sent_once_it_is_corrected(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """A refused row that is unchanged is told again with its reason, and sent once its number is another."""
    script, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(2), None) == 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(2), None) == 1
    assert tokens(gateway) == []
    assert "line 2  REJECTED INVALID_INPUT: no" in dialctl.out
    assert "settled by earlier runs and not sent again: 2 REJECTED" in dialctl.out
    assert await run(dialctl, leads(2).replace(PHONE, "+12025550199", 1), None) == 1
    assert tokens(gateway) == ["t-0"]
    assert last_outcomes(dialctl) == {"t-0": "ACCEPTED", "t-1": "REJECTED"}


async def test_another_expires_in_corrects_a_rejected_lead(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Amazon Connect may have refused a time too far ahead: another --expires-in is a correction."""
    script, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(1), None, "--expires-in", "5m") == 0
    assert tokens(gateway) == ["t-0"]


@pytest.mark.parametrize("reason", [pb.REASON_CAMPAIGN_NOT_FOUND, pb.REASON_ACCESS_DENIED])
async def test_what_is_corrected_elsewhere_is_sent_again(
    dialctl: Dialctl, gateway: ScriptedGateway, reason: pb.Reason.ValueType
) -> None:
    """A campaign that was not there, or rights that were missing, are not corrected in the row."""
    script, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED, reason)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(1), None) == 0
    assert tokens(gateway) == ["t-0"]


async def test_a_mistyped_campaign_is_correctable(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Leads that a wrong campaign refused are sent to the right one, with the same results file."""
    refused = line(2, "t-0", "REJECTED").replace(",c,", ",wrong,")
    assert await run(dialctl, leads(1), results(refused)) == 0
    assert tokens(gateway) == ["t-0"]


@pytest.mark.parametrize("outcome", ["ACCEPTED", "UNKNOWN", "UNANSWERED"])
async def test_nobody_is_dialed_for_two_campaigns_by_a_correction(
    dialctl: Dialctl, gateway: ScriptedGateway, outcome: str
) -> None:
    """Leads that may have been dialed for one campaign are not sent to another one by the same list."""
    earlier = results(line(2, "t-0", outcome).replace(",c,", ",other,"))
    assert await run(dialctl, leads(1), earlier) == 2
    assert "1 leads were accepted or may have been dialed for campaign 'other'" in dialctl.err
    assert tokens(gateway) == []


async def test_an_expired_lead_gets_a_new_time(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Without an expiration of its own an expired lead is sent again; with one, once that is another."""
    assert await run(dialctl, leads(1), results(line(2, "t-0", "EXPIRED"))) == 0
    assert tokens(gateway) == ["t-0"]
    (dialctl.directory / "leads.results.csv").unlink()
    gateway.script, gateway.streams = refuse(pb.OUTCOME_EXPIRED), []  # type: ignore[assignment]
    timed = f"client_token,phone_number,expiration_time\nt-0,{PHONE},2040-01-01T00:00:00Z\n"
    assert await run(dialctl, timed, None) == 1
    assert await run(dialctl, timed, None) == 1
    assert tokens(gateway) == ["t-0"]
    assert await run(dialctl, timed.replace("2040", "2041"), None) == 1
    assert tokens(gateway) == ["t-0"] * 2


async def test_an_accepted_lead_that_was_edited_is_not_dialed_again(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Somebody may be on the phone already: a later change of the row is told, and not sent."""
    assert await run(dialctl, leads(1), None) == 0
    assert await run(dialctl, leads(1).replace(PHONE, "+12025550199"), None) == 0
    assert len(tokens(gateway)) == 1
    assert "1 of the accepted leads have changed since" in dialctl.out


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


async def test_doubt_outlives_a_kill(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """What a killed run may have handed over stays in doubt; what it cannot have handed over does not.

    A line that the results had before that run says nothing of it; a line that the run has written does.
    """
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    earlier = results(
        line(2, "t-0", "NOT_ACCEPTED"),
        line(3, "t-1", "UNANSWERED"),
        line(4, "t-2", "NOT_SENT"),
        line(5, "t-3", "NOT_ACCEPTED"),
    )
    (dialctl.directory / UNDER_WAY).write_text("c,2,t-0 t-2 t-3 t-4,\nc,2,t-5")  # the last line is cut off
    assert await run(dialctl, leads(7), earlier, "--quiet") == 1
    assert list(last_outcomes(dialctl).values()) == [
        *("UNKNOWN", "UNKNOWN", "REJECTED", "REJECTED", "UNKNOWN", "REJECTED", "REJECTED")
    ]
    assert not (dialctl.directory / UNDER_WAY).exists()


async def test_doubt_is_about_tokens_not_lines(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A list that was sorted or edited behind a kill does not move the doubt to other leads."""
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    (dialctl.directory / UNDER_WAY).write_text("c,0,t-2,\n")
    head, *rows = leads(3).splitlines(keepends=True)
    assert await run(dialctl, head + "".join(reversed(rows)), None) == 1
    assert last_outcomes(dialctl) == {"t-0": "REJECTED", "t-1": "REJECTED", "t-2": "UNKNOWN"}


async def test_a_corrected_lead_that_a_kill_left_in_doubt_is_not_settled(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Refused, corrected, killed with the correction under way, corrected back: it is sent, in doubt."""
    refused, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    gateway.script = refused
    (dialctl.directory / UNDER_WAY).write_text("c,1,t-0,\n")
    assert await run(dialctl, leads(1), None) == 0
    assert tokens(gateway) == ["t-0"] * 2


async def test_leads_under_way_are_not_sent_to_another_campaign(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """A killed run may have dialed leads that have no line yet: another --campaign would dial them again."""
    (dialctl.directory / UNDER_WAY).write_text("other,0,t-0 t-1,\n")
    assert await run(dialctl, leads(2), None) == 2
    assert "2 leads were accepted or may have been dialed for campaign 'other'" in dialctl.err
    assert tokens(gateway) == []
    assert (dialctl.directory / UNDER_WAY).read_text() == "other,0,t-0 t-1,\n"


async def test_a_spoiled_note_of_what_is_under_way_is_refused(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Without it nobody knows who may have been dialed."""
    (dialctl.directory / UNDER_WAY).write_text("c;0;t-0;\n")
    assert await run(dialctl, leads(1), None) == 2
    assert "is not as dialctl has left it" in dialctl.err
    assert tokens(gateway) == []


@pytest.mark.parametrize("spoiled", ["t-0,n/a,x\n", f"t-1,{PHONE},x\nt-0,{PHONE},x\n"])
async def test_an_accepted_lead_whose_row_is_spoiled_is_not_dialed_again(
    dialctl: Dialctl, gateway: ScriptedGateway, spoiled: str
) -> None:
    """A row that cannot be sent, or is left out, takes nothing back: its lead stays settled."""
    assert await run(dialctl, leads(2), None) == 0
    head = leads(0)
    other = f"t-1,{PHONE},x\n" if "t-1" not in spoiled else ""
    await run(dialctl, head + spoiled + other, None, "--one-dial-per-number")
    assert await run(dialctl, leads(2), None) == 0
    assert tokens(gateway) == ["t-0", "t-1"]
    assert set(last_outcomes(dialctl).values()) == {"ACCEPTED"}


async def test_a_token_that_stands_twice_is_dialed_once_by_any_number_of_runs(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """The line of the second row, behind the answer of the first, is not taken for the first one's."""
    earlier = results(line(2, "t-0", "ACCEPTED"), line(3, "t-0", "INVALID_ROW"))
    twice = leads(1) + f"t-0,{PHONE},x\n"
    assert await run(dialctl, twice, earlier) == 1
    assert await run(dialctl, twice, None) == 1
    assert tokens(gateway) == []
    assert dialctl.results()[-1] == {**dialctl.results()[-1], "client_token": "", "outcome": "INVALID_ROW"}


async def test_doubt_outlives_a_spoiled_row(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A lead that may have been dialed is not INVALID_ROW only, because its row cannot be read now."""
    earlier = results(line(2, "t-0", "UNKNOWN"))
    assert await run(dialctl, leads(0) + "t-0,n/a,x\n", earlier) == 1
    assert last_outcomes(dialctl) == {"t-0": "UNANSWERED"}
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    assert last_outcomes(dialctl) == {"t-0": "UNKNOWN"}


async def test_two_runs_at_once_are_refused(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """The second run would not know what the first one has handed over."""

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


async def test_a_run_that_ended_in_order_leaves_no_doubt(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Leads that were added to the list afterwards are new: what the gateway says of them is the truth."""
    assert await run(dialctl, leads(2), None) == 0
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(4), None) == 1
    assert last_outcomes(dialctl) == {
        "t-0": "ACCEPTED",
        "t-1": "ACCEPTED",
        "t-2": "REJECTED",
        "t-3": "REJECTED",
    }


async def test_a_token_with_odd_characters_is_found_again(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A line is a line: a token with a line end in it does not break the file for the next run."""
    list_ = f'client_token,phone_number\n"a\nb\\c",{PHONE}\nt-1,{PHONE}\n'
    assert await run(dialctl, list_, None) == 1
    assert await run(dialctl, list_, None) == 1
    assert tokens(gateway) == ["t-1"]
    assert [row["outcome"] for row in dialctl.results()] == ["INVALID_ROW", "ACCEPTED", "INVALID_ROW"]


async def test_a_pipe_is_taken_up_too(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Standard input is read once only; what is settled there is left out all the same."""
    (dialctl.directory / "stdin.results.csv").write_text(results(line(2, "t-0", "ACCEPTED")))
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m")
    assert await dialctl.wait(process, leads(2).encode()) == 0
    assert tokens(gateway) == ["t-1"]


async def test_a_pipe_is_checked_like_a_file(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Results of another list are refused on standard input too, before anything is sent."""
    (dialctl.directory / "stdin.results.csv").write_text(results(line(2, "other", "ACCEPTED")))
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m")
    assert await dialctl.wait(process, leads(2).encode()) == 2
    assert "results of another list" in dialctl.err
    assert tokens(gateway) == []


@pytest.mark.parametrize("change", ["\ufeff{}", "semicolons", "crlf"])
async def test_results_that_a_spreadsheet_has_saved_are_told_as_such(
    dialctl: Dialctl, gateway: ScriptedGateway, change: str
) -> None:
    """Such a program writes other delimiters, line ends and marks; the line says so, and what to do."""
    text = results(line(2, "t-0", "ACCEPTED"))
    changed = {"crlf": text.replace("\n", "\r\n"), "semicolons": text.replace(",", ";")}.get(
        change, change.format(text)
    )
    assert await run(dialctl, leads(1), changed) == 2
    assert "saved by a spreadsheet program" in dialctl.err
    assert tokens(gateway) == []
