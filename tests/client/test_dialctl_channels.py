"""The channel of a list: the options, the column of addresses, and what is sent for each lead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dialgateway import AnswerMachineDetection, Channel, Email, Sms, Telephony, WhatsApp
from dialgateway.dialctl.arguments import parse
from dialgateway.dialctl.check import check
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.lead_list import LeadList, ListOptions
from dialgateway.dialctl.leads import BadRow, Lead
from dialgateway.dialctl.send_arguments import CheckArguments, SendArguments

PHONE = "+12025550123"
ADDRESS = "ada@example.com"
MAILS = f"client_token,email_address,name\nt-1,{ADDRESS},Ada\n"
CALLS = f"client_token,phone_number,name\nt-1,{PHONE},Ada\n"
IN_10M = timedelta(minutes=10)


def options(file: Path, *arguments: str) -> ListOptions:
    """Return the options of a list, as `dialctl send` reads them from its command line."""
    chosen = parse(["send", str(file), "--campaign", "c", "--expires-in", "10m", *arguments])
    assert isinstance(chosen, SendArguments)
    return chosen.list


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.csv"


def read(file: Path, text: str, *arguments: str) -> list[Lead | BadRow]:
    """Read a list with options of the command line."""
    file.write_text(text)
    with LeadList(options(file, *arguments)) as leads:
        return list(leads.leads())


def lead(file: Path, text: str, *arguments: str) -> Lead:
    """Read a list with one lead."""
    (row,) = read(file, text, *arguments)
    assert isinstance(row, Lead)
    return row


@pytest.mark.parametrize(
    ("arguments", "channel"),
    [
        ((), None),
        (("--channel", "telephony"), None),
        (("--source", "+12065550199"), Telephony("+12065550199")),
        (("--ring-timeout", "30"), Telephony(ring_timeout=timedelta(seconds=30))),
        (("--ring-timeout", "60s"), Telephony(ring_timeout=timedelta(seconds=60))),
        (
            ("--machine-detection", "off"),
            Telephony(answer_machine_detection=AnswerMachineDetection(enabled=False)),
        ),
        (
            ("--machine-detection", "on"),
            Telephony(answer_machine_detection=AnswerMachineDetection(enabled=True)),
        ),
        (
            ("--machine-detection", "await-prompt"),
            Telephony(answer_machine_detection=AnswerMachineDetection(enabled=True, await_prompt=True)),
        ),
        (("--channel", "sms"), Sms()),
        (("--channel", "sms", "--source", "arn:1", "--template", "arn:2"), Sms("arn:1", "arn:2")),
        (("--channel", "whatsapp", "--template", "arn:2"), WhatsApp(template_arn="arn:2")),
    ],
)
def test_the_channel_of_each_lead(file: Path, arguments: tuple[str, ...], channel: Channel | None) -> None:
    """Every lead gets the channel of the options, and its own number; other columns stay attributes."""
    request = lead(file, CALLS, *arguments).request(IN_10M)
    assert request.channel == channel
    assert (request.phone_number, request.attributes) == (PHONE, {"name": "Ada"})


def test_an_email_goes_to_the_address_of_its_row(file: Path) -> None:
    """With --channel email the column email_address replaces the phone number."""
    found = lead(file, MAILS, "--channel", "email", "--source", "news@example.com", "--template", "arn:2")
    assert ADDRESS not in repr(found)
    request = found.request(IN_10M)
    assert request.channel == Email(ADDRESS, "news@example.com", "arn:2")
    assert (request.phone_number, request.attributes) == ("", {"name": "Ada"})


@pytest.mark.parametrize(
    ("column", "arguments"),
    [
        ("E-Mail", ()),
        ("Correo electrónico", ()),
        ("Contact", ("--email-column", "Contact")),
        ("Contact", ("--map", "Contact=email_address")),
    ],
)
def test_the_column_of_addresses(file: Path, column: str, arguments: tuple[str, ...]) -> None:
    """A column with a well-known name is found; any other is named by an option."""
    text = MAILS.replace("email_address", column)
    assert lead(file, text, "--channel", "email", *arguments).channel == Email(ADDRESS)


def test_a_phone_number_is_not_sent_with_an_email(file: Path) -> None:
    """The column phone_number of a list for e-mails is no attribute, and the user is told."""
    text = f"client_token,email_address,phone_number\nt-1,{ADDRESS},{PHONE}\n"
    assert lead(file, text, "--channel", "email").attributes == {}
    with LeadList(options(file, "--channel", "email")) as leads:
        assert leads.notes_before()[-1].startswith("column 3 (phone_number) is not sent")


def test_an_address_is_an_attribute_of_other_channels(file: Path) -> None:
    """Without --channel email, a column email_address is an attribute, as it always was."""
    text = f"client_token,phone_number,email_address\nt-1,{PHONE},{ADDRESS}\n"
    for channel in ("telephony", "sms"):
        assert lead(file, text, "--channel", channel).attributes == {"email_address": ADDRESS}
    mapped = lead(file, text.replace("email_address", "x"), "--map", "x=email_address")
    assert mapped.attributes == {"email_address": ADDRESS}


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "email_address: is empty"),
        ("ada", "email_address: is not an e-mail address"),
        ("ada@example", "email_address: is not an e-mail address"),
        ("ada b@example.com", "email_address: is not an e-mail address"),
        ("a" * 250 + "@b.com", "email_address: is not an e-mail address"),
    ],
)
def test_a_bad_address(file: Path, cell: str, problem: str) -> None:
    """A row without a possible address is a bad row; its problem does not show the cell."""
    (row,) = read(file, MAILS.replace(ADDRESS, cell), "--channel", "email")
    assert isinstance(row, BadRow)
    assert row.problem == problem


def test_one_email_per_address(file: Path) -> None:
    """With --one-dial-per-number a second lead with the same address is left out."""
    text = f"{MAILS}t-2,{ADDRESS},Ada\n"
    rows = read(file, text, "--channel", "email", "--one-dial-per-number")
    assert isinstance(rows[1], BadRow)
    assert rows[1].problem == "email_address: an earlier line has the same address"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--channel", "sms", "--ring-timeout", "30"), "--ring-timeout: only with --channel telephony"),
        (
            ("--channel", "email", "--machine-detection", "on"),
            "--machine-detection: only with --channel telephony",
        ),
        (("--template", "arn:2"), "--template: not with telephone calls"),
        (("--email-column", "x"), "--email-column: only with --channel email"),
    ],
)
def test_options_that_do_not_belong_together(file: Path, arguments: tuple[str, ...], told: str) -> None:
    """An option of another channel is refused."""
    with pytest.raises(UnusableFile, match=told):
        options(file, *arguments)


@pytest.mark.parametrize("text", ["14", "61", "1m", "15.5", "x", "9" * 30])
def test_a_ring_timeout_out_of_range(file: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A ring timeout has 15 to 60 whole seconds."""
    with pytest.raises(SystemExit):
        options(file, "--ring-timeout", text)
    assert "expected 15 to 60 seconds" in capsys.readouterr().err


def test_the_digest_covers_the_channel(file: Path) -> None:
    """A lead whose channel has changed since the last run counts as changed; one without keeps its digest."""
    arguments = [
        (),
        ("--channel", "sms"),
        ("--channel", "whatsapp"),
        ("--channel", "sms", "--source", "arn:1"),
        ("--channel", "sms", "--template", "arn:1"),
        ("--ring-timeout", "30"),
        ("--ring-timeout", "31"),
        ("--machine-detection", "on"),
        ("--machine-detection", "await-prompt"),
    ]
    digests = [lead(file, CALLS, *each).digest(IN_10M) for each in arguments]
    assert len(set(digests)) == len(digests)
    assert digests[0] == 3_951_100
    mails = [lead(file, MAILS.replace("ada@", f"{name}@"), "--channel", "email") for name in ("ada", "bob")]
    assert mails[0].digest(IN_10M) != mails[1].digest(IN_10M)


def test_check_names_the_column_of_addresses(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dialctl check` reads a list for e-mails as `send` does."""
    file.write_text(MAILS)
    chosen = parse(["check", str(file), "--campaign", "c", "--expires-in", "10m", "--channel", "email"])
    assert isinstance(chosen, CheckArguments)
    assert check(chosen) == 0
    assert "email_address: 'email_address'" in capsys.readouterr().out
