"""Reading CSV files: leads, bad rows by true line and column, files that will not do."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialgateway.dialctl.leads import BadRow, Columns, Lead, LeadReader, UnusableFile
from dialgateway.dialctl.lines import open_lines

HEADER = "client_token,phone_number,expiration_time,first_name\n"
LATER = "2030-01-02T12:00:00Z"
PHONE = "+12025550123"


def read(text: str, **options: object) -> list[Lead | BadRow]:
    reader = LeadReader(io.StringIO(text, newline=""), campaign_id="c")
    for name, value in options.items():
        setattr(reader, name, value)
    return list(reader.leads())


def only_lead(text: str, **options: object) -> Lead:
    (row,) = read(text, **options)
    assert isinstance(row, Lead)
    return row


def only_problem(text: str, **options: object) -> str:
    (row,) = read(text, **options)
    assert isinstance(row, BadRow)
    assert PHONE not in repr(row)
    assert "Ludmilla" not in repr(row)
    return row.problem


def test_a_row_becomes_a_dial_request() -> None:
    """Named columns become the request, every other one an attribute."""
    lead = only_lead(HEADER + f"t-1,{PHONE},{LATER},Ludmilla\n")
    assert (lead.line, lead.campaign_id) == (2, "c")
    assert (lead.request.client_token, lead.request.phone_number) == ("t-1", PHONE)
    assert lead.request.expires_at == datetime(2030, 1, 2, 12, tzinfo=UTC)
    assert lead.request.attributes == {"first_name": "Ludmilla"}


def test_an_empty_cell_is_no_attribute() -> None:
    """A lead without a value has no such attribute."""
    assert only_lead(HEADER + f"t-1,{PHONE},{LATER},\n").request.attributes == {}


@pytest.mark.parametrize("text", ["1893585600", "1893585600.0", "2030-01-02T14:00:00+02:00", LATER])
def test_an_expiration_may_be_written_in_several_ways(text: str) -> None:
    """ISO 8601 with Z or an offset and epoch seconds mean the same instant."""
    lead = only_lead(HEADER + f"t-1,{PHONE},{text},\n")
    assert lead.request.expires_at == datetime(2030, 1, 2, 12, tzinfo=UTC)


def test_expires_in_counts_from_the_reading() -> None:
    """Without a column for it, the expiration is the given time ahead."""
    before = datetime.now(UTC)
    lead = only_lead(f"client_token,phone_number\nt-1,{PHONE}\n", expires_in=timedelta(minutes=10))
    assert before <= lead.request.expires_at - timedelta(minutes=10) <= datetime.now(UTC)


def test_a_campaign_column_decides_for_its_row() -> None:
    """A campaign in the row goes before that of the command line, which stands in for an empty cell."""
    rows = read(
        f"client_token,phone_number,campaign_id\na,{PHONE},x\na,{PHONE},\n", expires_in=timedelta(minutes=1)
    )
    assert [row.campaign_id for row in rows] == ["x", "c"]
    assert all(isinstance(row, Lead) for row in rows)


def test_columns_can_be_renamed() -> None:
    """The options for columns say where to look."""
    lead = only_lead(
        f"id,my tel,until\nt-1,{PHONE},{LATER}\n",
        columns=Columns(token="id", phone="my tel", expiration="until"),
    )
    assert lead.request.client_token == "t-1"
    assert lead.request.attributes == {}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f",{PHONE},{LATER},Ludmilla", "client_token: is empty"),
        (f"t-1,,{LATER},Ludmilla", "phone_number: is empty"),
        (f"t-1,{PHONE},tomorrow,Ludmilla", "expiration_time: is neither ISO 8601 nor epoch seconds"),
        (f"t-1,{PHONE},9999999999999999,Ludmilla", "expiration_time: is neither ISO 8601 nor epoch seconds"),
        (f"t-1,{PHONE},2030-01-02T12:00:00,Ludmilla", "expiration_time: has no time zone"),
        (f"t-1,{PHONE},,Ludmilla", "expiration_time: is empty"),
        (f"t-1,{PHONE},{LATER},Ludmilla,more", "has 5 cells, the header 4"),
        (f"t-1,{PHONE},{LATER}", "has 3 cells, the header 4"),
        (f't-1,{PHONE},{LATER},"Lud"milla', "is no valid CSV"),
        (f't-1,{PHONE},{LATER},"Ludmilla', "is no valid CSV"),
        (f"t-1,{PHONE},{LATER},Ludmilla\udcff", "first_name: is not UTF-8"),
    ],
)
def test_a_bad_row_is_told_by_column_and_without_its_values(row: str, problem: str) -> None:
    """Each kind of bad row names its column and rule, and shows nothing of what it holds."""
    assert only_problem(HEADER + row + "\n").startswith(problem)


def test_a_bad_row_does_not_stop_the_rest() -> None:
    """Rows behind a bad one are read, also behind broken quotes."""
    rows = read(HEADER + f't-1,{PHONE},{LATER},"a"b\nt-2,{PHONE},{LATER},\n')
    assert [type(row) for row in rows] == [BadRow, Lead]


def test_a_token_that_stood_before_is_a_bad_row() -> None:
    """The second row of a token is refused, whatever its number; in another campaign it is another dial."""
    rows = read(
        f"client_token,phone_number,campaign_id\na,{PHONE},x\na,+12025550100,x\na,{PHONE},y\n",
        expires_in=timedelta(minutes=1),
    )
    assert [type(row) for row in rows] == [Lead, BadRow, Lead]


def test_lines_are_those_of_the_file() -> None:
    """A row is told by the line on which it begins, whatever blank lines and line breaks stand before it."""
    rows = read(HEADER + f'\nt-1,{PHONE},{LATER},"two\nlines"\n\r\nt-2,{PHONE},{LATER},\n')
    assert [row.line for row in rows] == [3, 6]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (f"{PHONE},Ludmilla\n", "no column 'client_token'"),
        ("client_token,x\n", "no column 'phone_number'"),
        ("client_token,phone_number\n", "--expires-in"),
        (HEADER.replace("first_name", "first name"), "column 4"),
        (HEADER.replace("first_name", "phone_number"), "earlier one"),
    ],
)
def test_a_file_that_will_not_do_is_refused_as_a_whole(text: str, told: str) -> None:
    """Without the columns that it takes nothing is read, and the first line is not shown."""
    with pytest.raises(UnusableFile, match=told) as caught:
        read(text)
    assert PHONE not in str(caught.value)
    assert "Ludmilla" not in str(caught.value)


def test_a_file_without_campaigns_needs_one() -> None:
    """Neither a column nor an option for the campaign is an error of the file."""
    with pytest.raises(UnusableFile, match="--campaign"):
        read(HEADER, campaign_id=None)


def test_a_file_may_begin_with_a_bom_and_hold_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    """A byte order mark is no part of the first name, and a wrong byte spoils only its row."""
    file = tmp_path / "leads.csv"
    rows = f"t-1,{PHONE},{LATER},".encode() + b"\xff\n" + f"t-2,{PHONE},{LATER},Zoë\n".encode()
    file.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + rows)
    with open_lines(file) as lines:
        bad, lead = LeadReader(lines, campaign_id="c").leads()
    assert isinstance(bad, BadRow)
    assert isinstance(lead, Lead)
    assert lead.request.attributes == {"first_name": "Zoë"}
