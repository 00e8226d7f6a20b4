"""The command `dialctl send` with the results of an earlier run.

Interrupted, killed, incomplete, or of another list.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dialgateway.dialctl.results_file import HEADER
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import PHONE, Answers, Received, ScriptedGateway, answer
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


async def test_only_leads_that_are_not_settled_are_sent(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Accepted leads are not sent again; others are, with their tokens, and their lines are appended."""
    outcomes = ["ACCEPTED", "NOT_ACCEPTED", "UNKNOWN", "UNANSWERED", "NOT_SENT", "INVALID_ROW", "LEFT_OUT"]
    earlier = results(*(line(at + 2, f"t-{at}", outcome) for at, outcome in enumerate(outcomes)))
    assert await run(dialctl, leads(8), earlier) == 0
    assert tokens(gateway) == [f"t-{number}" for number in range(1, 8)]
    assert len(dialctl.results()) == 14
    assert set(last_outcomes(dialctl).values()) == {"ACCEPTED"}
    assert "settled by earlier runs and not sent again: 1 ACCEPTED" in dialctl.out


async def test_a_rejected_lead_is_sent_after_it_was_corrected(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """An unchanged refused row is reported again with its reason; with another number it is sent."""
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


async def test_a_rejected_lead_is_sent_after_expires_in_was_changed(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """Amazon Connect may have refused an expiration too far ahead."""
    script, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(1), None, "--expires-in", "5m") == 0
    assert tokens(gateway) == ["t-0"]


@pytest.mark.parametrize(
    "reason", [pb.REASON_CAMPAIGN_NOT_FOUND, pb.REASON_ACCESS_DENIED, pb.REASON_SUPPRESSED]
)
async def test_a_lead_rejected_for_its_campaign_rights_or_rules_is_sent_again(
    dialctl: Dialctl, gateway: ScriptedGateway, reason: pb.Reason.ValueType
) -> None:
    """A missing campaign or missing rights are not corrected in the row."""
    script, gateway.script = gateway.script, refuse(pb.OUTCOME_REJECTED, reason)  # type: ignore[assignment]
    assert await run(dialctl, leads(1), None) == 1
    gateway.script, gateway.streams = script, []
    assert await run(dialctl, leads(1), None) == 0
    assert tokens(gateway) == ["t-0"]


async def test_a_mistyped_campaign_can_be_corrected(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Leads refused by a wrong campaign are sent to the right one, with the same results file."""
    refused = line(2, "t-0", "REJECTED").replace(",c,", ",wrong,")
    assert await run(dialctl, leads(1), results(refused)) == 0
    assert tokens(gateway) == ["t-0"]


@pytest.mark.parametrize("outcome", ["ACCEPTED", "UNKNOWN", "UNANSWERED"])
async def test_nobody_is_dialed_for_two_campaigns_by_a_correction(
    dialctl: Dialctl, gateway: ScriptedGateway, outcome: str
) -> None:
    """Leads that may have been dialed for one campaign are not sent to another one from the same list."""
    earlier = results(line(2, "t-0", outcome).replace(",c,", ",other,"))
    assert await run(dialctl, leads(1), earlier) == 2
    assert "1 leads were accepted or may have been dialed for campaign 'other'" in dialctl.err
    assert tokens(gateway) == []


async def test_an_expired_lead_gets_a_new_time(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Without an expiration in the list an expired lead is sent again; with one, after it has changed."""
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
    """Somebody may already be on the phone: a later change of the row is reported, and not sent."""
    assert await run(dialctl, leads(1), None) == 0
    assert await run(dialctl, leads(1).replace(PHONE, "+12025550199"), None) == 0
    assert len(tokens(gateway)) == 1
    assert "1 of the accepted leads have changed since" in dialctl.out


async def test_a_finished_list_is_exit_0(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Nothing is sent, and every lead is still accepted."""
    assert await run(dialctl, leads(300), None) == 0
    before = (dialctl.directory / "leads.results.csv").read_bytes()
    assert await run(dialctl, leads(300), None) == 0
    assert (dialctl.directory / "leads.results.csv").read_bytes() == before
    assert len(tokens(gateway)) == 300


async def test_the_last_line_of_a_lead_counts(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A lead that was accepted after UNKNOWN is settled."""
    earlier = results(line(2, "t-0", "UNKNOWN"), line(2, "t-0", "ACCEPTED"))
    assert await run(dialctl, leads(1), earlier) == 0
    assert tokens(gateway) == []


@pytest.mark.parametrize("cut", [1, 10, 30])
async def test_a_partial_line_is_removed(dialctl: Dialctl, gateway: ScriptedGateway, cut: int) -> None:
    """A line that was being written when the command was killed is removed, and its lead is sent again."""
    whole = results(
        line(2, "t-0", "ACCEPTED"), line(3, "t-1", "ACCEPTED").replace(",,,,\n", ',"de,tail",,,\n')
    )
    assert await run(dialctl, leads(2), whole[:-cut]) == 0
    assert tokens(gateway) == ["t-1"]
    assert list(last_outcomes(dialctl)) == ["t-0", "t-1"]


async def test_a_partial_header_is_replaced(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """A run that was killed during its first write does not prevent the next one."""
    assert await run(dialctl, leads(1), "line,client_to") == 0
    with (dialctl.directory / "leads.results.csv").open(newline="") as file:
        assert next(csv.reader(file)) == list(HEADER)


async def test_results_of_another_list_are_refused(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Lines of leads that are not in the list are reported; nothing is sent or changed."""
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
async def test_a_file_that_dialctl_did_not_write_is_refused(
    dialctl: Dialctl, gateway: ScriptedGateway, content: str
) -> None:
    """It is neither read as results nor written to."""
    assert await run(dialctl, leads(1), content) == 2
    assert "dialctl" in dialctl.err
    assert (dialctl.directory / "leads.results.csv").read_text() == content


async def test_a_run_that_ended_normally_leaves_no_doubt(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Leads added to the list afterwards are new, and get the gateway's own answers."""
    assert await run(dialctl, leads(2), None) == 0
    gateway.script = refuse(pb.OUTCOME_REJECTED)  # type: ignore[assignment]
    assert await run(dialctl, leads(4), None) == 1
    assert last_outcomes(dialctl) == {
        "t-0": "ACCEPTED",
        "t-1": "ACCEPTED",
        "t-2": "REJECTED",
        "t-3": "REJECTED",
    }


async def test_a_token_with_a_line_end_is_found_again(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Each lead has one line, even if its token has a line end."""
    list_ = f'client_token,phone_number\n"a\nb\\c",{PHONE}\nt-1,{PHONE}\n'
    assert await run(dialctl, list_, None) == 1
    assert await run(dialctl, list_, None) == 1
    assert tokens(gateway) == ["t-1"]
    assert [row["outcome"] for row in dialctl.results()] == ["INVALID_ROW", "ACCEPTED", "INVALID_ROW"]


async def test_a_list_from_a_pipe_is_continued(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Standard input can be read only once, and still the settled leads are left out."""
    (dialctl.directory / "stdin.results.csv").write_text(results(line(2, "t-0", "ACCEPTED")))
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m")
    assert await dialctl.wait(process, leads(2).encode()) == 0
    assert tokens(gateway) == ["t-1"]


async def test_a_pipe_is_checked_like_a_file(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Results of another list are refused for standard input too, before anything is sent."""
    (dialctl.directory / "stdin.results.csv").write_text(results(line(2, "other", "ACCEPTED")))
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m")
    assert await dialctl.wait(process, leads(2).encode()) == 2
    assert "results of another list" in dialctl.err
    assert tokens(gateway) == []


@pytest.mark.parametrize("change", ["\ufeff{}", "semicolons", "crlf"])
async def test_results_saved_by_a_spreadsheet_program_are_refused(
    dialctl: Dialctl, gateway: ScriptedGateway, change: str
) -> None:
    """Such a program writes other delimiters, line ends and marks; the message says what to do."""
    text = results(line(2, "t-0", "ACCEPTED"))
    changed = {"crlf": text.replace("\n", "\r\n"), "semicolons": text.replace(",", ";")}.get(
        change, change.format(text)
    )
    assert await run(dialctl, leads(1), changed) == 2
    assert "saved by a spreadsheet program" in dialctl.err
    assert tokens(gateway) == []
