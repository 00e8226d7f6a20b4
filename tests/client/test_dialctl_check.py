"""The command `dialctl check`, and how names from a list are shown."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import openpyxl
import pytest

from tests.client.scripted import PHONE, SECRET, ScriptedGateway
from tests.client.test_dialctl import HEADER, Dialctl


@pytest.fixture
def dialctl(tmp_path: Path, gateway: ScriptedGateway) -> Dialctl:
    return Dialctl(tmp_path, gateway.target)


async def check(dialctl: Dialctl, text: str, *arguments: str) -> int:
    (dialctl.directory / "leads.csv").write_text(text)
    return await dialctl.wait(await dialctl.start("check", "leads.csv", "--expires-in", "10m", *arguments))


async def test_check_shows_what_would_be_sent_and_sends_nothing(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """It shows columns, changes, counts and campaigns; no stream is opened and no file is written."""
    text = (
        f"Lead ID,Telefon,First Name,campaign_id,\n1,+1 202 555 0123,{SECRET},a,\n2,+12025550100,x,b,\n,,,,\n"
    )
    assert await check(dialctl, text, "--token-from", "Lead ID") == 0
    assert "column 2 ('Telefon') is used as the phone number" in dialctl.out
    assert "client_token: built from 'Lead ID'" in dialctl.out
    assert "attributes: Lead_ID ('Lead ID'), First_Name ('First Name')" in dialctl.out
    assert "1 phone number: separators removed" in dialctl.out
    assert "1 column without a name skipped" in dialctl.out
    assert "1 empty row skipped" in dialctl.out
    assert "2 leads would be sent" in dialctl.out
    assert gateway.streams == []
    assert [file.name for file in dialctl.directory.iterdir()] == ["leads.csv"]


async def test_check_names_the_first_problems_and_writes_all(dialctl: Dialctl) -> None:
    """The screen shows 20 lines, the report has all, and neither shows a cell."""
    rows = "".join(f"t-{number},n/a,{SECRET}\n" for number in range(50))
    assert await check(dialctl, HEADER + rows + f"t-x,{PHONE},\n", "--campaign", "c") == 1
    assert dialctl.out.count("is not a phone number") == 20
    assert "1 lead would be sent" in dialctl.out
    assert "50 would not be sent; see leads.problems.csv" in dialctl.out
    with (dialctl.directory / "leads.problems.csv").open(newline="") as file:
        problems = list(csv.DictReader(file))
    assert len(problems) == 50
    assert problems[0] == {
        "line": "2",
        "client_token": "t-0",
        "problem": "phone_number: is not a phone number",
    }


async def test_a_workbook_is_read_like_a_csv_file(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Numbers in cells become digits, and lines are the rows of the sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["client_token", "Phone", "Amount", "Note"],
        ["a", 12025550123, 12.5],
        ["b", "x", 1],
        [],
        ["c", "+1 202 555 0100", 3, "n"],
    ):
        sheet.append(row)
    book.create_sheet("Other")
    book.save(dialctl.directory / "leads.xlsx")
    arguments = ("leads.xlsx", "--campaign", "c", "--expires-in", "10m", "--region", "US")
    assert await dialctl.wait(await dialctl.start("send", *arguments)) == 1
    outcomes = {row["line"]: row["outcome"] for row in dialctl.results()}
    assert outcomes == {"2": "ACCEPTED", "3": "INVALID_ROW", "5": "ACCEPTED"}
    sent = gateway.streams[0].first[0].dial_requests[0]
    assert (sent.phone_number, dict(sent.attributes)) == (PHONE, {"Amount": "12.5"})
    assert "sheet 'Sheet' is read, the first of 2" in dialctl.err


ESCAPE = "\x1b[2J\x9b1m\u202e"


async def test_control_characters_of_a_list_are_escaped(dialctl: Dialctl) -> None:
    """This holds for columns and campaigns, in notes, counts and errors."""
    text = f"client_token,phone_number,campaign_id,x{ESCAPE}y\na,{PHONE},c{ESCAPE},1\nb,{PHONE},d{ESCAPE},1\n"
    assert await check(dialctl, text) == 0
    assert "x_2J_1m_y" in dialctl.out
    assert r"c\x1b[2J\x9b1m\u202e" in dialctl.out
    assert await check(dialctl, text, "--map", f"z{ESCAPE}=phone_number") == 2
    assert (
        await check(dialctl, f"client_token,phone_number,{ESCAPE[-1:]}#{ESCAPE[:1]}\n", "--campaign", "c")
        == 2
    )
    assert "has no letter or digit in its name" in dialctl.err


async def test_control_characters_of_campaigns_and_answers_are_escaped(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """The summary shows texts of a gateway and of a list as text."""
    (dialctl.directory / "leads.csv").write_text(
        f"client_token,phone_number,campaign_id\na,{PHONE},c{ESCAPE}\n"
    )
    process = await dialctl.start("send", "leads.csv", "--expires-in", "10m")
    assert await dialctl.wait(process) == 0
    again = f"client_token,phone_number,campaign_id\na,{PHONE},other\n"
    (dialctl.directory / "leads.csv").write_text(again)
    assert await dialctl.wait(await dialctl.start("send", "leads.csv", "--expires-in", "10m")) == 2
    assert r"\x1b[2J" in dialctl.err


async def test_characters_that_the_terminal_lacks_are_escaped(dialctl: Dialctl) -> None:
    """Characters outside the terminal's encoding are written as escapes."""
    dialctl.environment = {**dialctl.environment, "PYTHONIOENCODING": "ascii"}
    text = f"client_token,phone_number,Größe\na,{PHONE},1\n"
    assert await check(dialctl, text, "--campaign", "c") == 0
    assert r"('Gr\xf6\xdfe') is sent as the attribute 'Grosse'" in dialctl.out


async def test_nothing_of_a_damaged_workbook_is_sent(dialctl: Dialctl) -> None:
    """The list is read to its end first, so damage after the first rows is noticed."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["client_token", "phone_number"])
    for _ in range(5_000):
        sheet.append([f"t-{os.urandom(4).hex()}", PHONE])
    book.save(dialctl.directory / "leads.xlsx")
    raw = bytearray((dialctl.directory / "leads.xlsx").read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 200] = bytes(200)
    (dialctl.directory / "leads.xlsx").write_bytes(raw)
    for command in ("check", "send"):
        process = await dialctl.start(command, "leads.xlsx", "--campaign", "c", "--expires-in", "1m")
        assert await dialctl.wait(process) == 2
        assert "is damaged; save it as CSV" in dialctl.err
