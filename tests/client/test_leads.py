"""Rows to leads: dial requests, bad rows with line and column, tokens, repeated numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dialgateway.dialctl.column_layout import ColumnOptions
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.leads import BadRow, Lead
from tests.client.lists import PHONE, only_lead, only_problem, read, reader

HEADER = "client_token,phone_number,expiration_time,first_name\n"
LATER = "2030-01-02T12:00:00Z"
MINUTE = timedelta(minutes=1)


def test_a_row_becomes_a_lead() -> None:
    """Named columns become fields of the request, and every other one an attribute."""
    lead = only_lead(HEADER + f"t-1,{PHONE},{LATER},Ludmilla\n")
    assert (lead.line, lead.campaign_id) == (2, "c")
    assert (lead.client_token, lead.phone_number) == ("t-1", PHONE)
    assert lead.expires_at == datetime(2030, 1, 2, 12, tzinfo=UTC)
    assert lead.attributes == {"first_name": "Ludmilla"}
    assert PHONE not in repr(lead)
    assert "Ludmilla" not in repr(lead)


def test_an_empty_cell_is_no_attribute() -> None:
    """A lead without a value does not have the attribute."""
    assert only_lead(HEADER + f"t-1,{PHONE},{LATER},\n").attributes == {}


@pytest.mark.parametrize("text", ["1893585600", "1893585600.0", "2030-01-02T14:00:00+02:00", LATER])
def test_an_expiration_may_be_written_in_several_ways(text: str) -> None:
    """ISO 8601 with Z or an offset and epoch seconds mean the same instant."""
    lead = only_lead(HEADER + f"t-1,{PHONE},{text},\n")
    assert lead.expires_at == datetime(2030, 1, 2, 12, tzinfo=UTC)


def test_expires_in_counts_from_when_a_lead_is_handed_over() -> None:
    """Without an expiration in the list, each request of a lead gets a new one."""
    lead = only_lead(f"client_token,phone_number\nt-1,{PHONE}\n", expires_in=timedelta(minutes=10))
    assert lead.expires_at is None
    before = datetime.now(UTC)
    first = lead.request(timedelta(minutes=10)).expires_at
    assert before <= first - timedelta(minutes=10) <= datetime.now(UTC)
    assert lead.request(timedelta(minutes=10)).expires_at >= first


def test_a_campaign_column_decides_for_its_row() -> None:
    """The campaign in a row is used before that of the command line, which is for empty cells."""
    rows = read(f"client_token,phone_number,campaign_id\na,{PHONE},x\na,{PHONE},\n", expires_in=MINUTE)
    assert [row.campaign_id for row in rows] == ["x", "c"]
    assert all(isinstance(row, Lead) for row in rows)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f",{PHONE},{LATER},Ludmilla", "client_token: is empty"),
        (f"a b,{PHONE},{LATER},Ludmilla", "client_token: must be 1 to 200 of"),
        (f"t-1,,{LATER},Ludmilla", "phone_number: is empty"),
        (f"t-1,{PHONE},tomorrow,Ludmilla", "expiration_time: is neither ISO 8601 nor seconds since 1970"),
        (
            f"t-1,{PHONE},9999999999999999,Ludmilla",
            "expiration_time: is neither ISO 8601 nor seconds since 1970",
        ),
        (f"t-1,{PHONE},2030-01-02T12:00:00,Ludmilla", "expiration_time: has no time zone"),
        (f"t-1,{PHONE},,Ludmilla", "expiration_time: is empty"),
        (f"t-1,{PHONE},{LATER},Ludmilla,more", "has 5 cells, the header 4"),
        (f"t-1,{PHONE},{LATER}", "has 3 cells, the header 4"),
        (f't-1,{PHONE},{LATER},"Lud"milla', "is no valid CSV"),
        (f't-1,{PHONE},{LATER},"Ludmilla', "is no valid CSV"),
        (
            f"t-1,{PHONE},{LATER},Ludmilla\udcff",
            "first_name: has bytes that are invalid in the",
        ),
        (f"t-1,{PHONE},{LATER}," + "x" * 32_768, "first_name: is longer than 32,767 characters"),
    ],
)
def test_the_problem_of_a_bad_row_names_its_column_and_no_value(row: str, problem: str) -> None:
    """Each kind of bad row names its column and the rule."""
    assert only_problem(HEADER + row + "\n").startswith(problem)


def test_empty_cells_after_the_last_column_are_ignored() -> None:
    """Spreadsheet programs write as many delimiters as the widest row of the sheet has cells."""
    assert only_lead(HEADER + f"t-1,{PHONE},{LATER},Ludmilla,,\n").attributes == {"first_name": "Ludmilla"}


def test_rows_after_a_bad_row_are_read() -> None:
    """The row after a bad row is read, also after invalid quotes."""
    rows = read(HEADER + f't-1,{PHONE},{LATER},"a"b\nt-2,{PHONE},{LATER},\n')
    assert [type(row) for row in rows] == [BadRow, Lead]


def test_a_repeated_token_is_a_bad_row() -> None:
    """The second row with a token is refused, whatever its number; in another campaign it is another dial."""
    rows = read(
        f"client_token,phone_number,campaign_id\na,{PHONE},x\na,+12025550100,x\na,{PHONE},y\n",
        expires_in=MINUTE,
    )
    assert [type(row) for row in rows] == [Lead, BadRow, Lead]


def test_lines_are_counted_as_in_the_file() -> None:
    """A row is named by the line on which it begins, with blank lines and line breaks counted."""
    rows = read(HEADER + f'\nt-1,{PHONE},{LATER},"two\nlines"\n\r\nt-2,{PHONE},{LATER},\n')
    assert [row.line for row in rows] == [3, 6]


def test_a_list_without_a_campaign_is_refused() -> None:
    """There must be a column or an option for the campaign."""
    with pytest.raises(UnusableFile, match="--campaign"):
        read(HEADER, campaign_id=None)


# --- tokens that are built ---------------------------------------------------------------------------


def built(cells: str, *columns: str) -> str:
    text = f"Lead ID,Due,Phone\n{cells}\n"
    return only_lead(text, columns=ColumnOptions(token_from=columns), expires_in=MINUTE).client_token


def test_a_built_token_is_the_values_if_a_token_may_contain_them() -> None:
    """Somebody who reads a log can then find the lead."""
    assert built(f"4711,2026-12-01,{PHONE}", "Lead ID", "Due") == "4711.2026-12-01"


def test_a_built_token_is_a_digest_otherwise() -> None:
    """Other characters and the phone number do not get into a token; equal values give equal tokens."""
    first = built(f'"Ann, 1",2026-12-01,{PHONE}', "Lead ID", "Due")
    assert first == built(f'"Ann, 1",2026-12-01,{PHONE}', "Lead ID", "Due")
    assert first != built(f'"Ann, 2",2026-12-01,{PHONE}', "Lead ID", "Due")
    assert len(first) == 32
    assert PHONE.strip("+") not in built(f"4711,2026-12-01,{PHONE}", "Lead ID", "Phone")


def test_a_number_as_people_write_it_does_not_get_into_a_token() -> None:
    columns = ColumnOptions(token_from=("Lead ID", "Phone"))
    lead = only_lead("Lead ID,Phone\n4711,202-555-0123\n", columns=columns, region="US", expires_in=MINUTE)
    assert lead.phone_number == PHONE
    assert "202-555-0123" not in lead.client_token


def test_values_that_join_to_the_same_text_give_different_tokens() -> None:
    """A dot in a value cannot be confused with the one between two values."""
    assert built(f"a.b,c,{PHONE}", "Lead ID", "Due") != built(f"a,b.c,{PHONE}", "Lead ID", "Due")


def test_a_token_is_not_built_from_an_empty_cell() -> None:
    """Two leads without an id would have the same token."""
    text = f"Lead ID,Phone\n,{PHONE}\n"
    problem = only_problem(text, columns=ColumnOptions(token_from=("Lead ID",)), expires_in=MINUTE)
    assert problem == "Lead ID: is empty, and the token is built from it"


# --- one number, two leads ---------------------------------------------------------------------------

TWICE = f"client_token,phone_number\na,{PHONE}\nb,+1 202 555 0123\nc,+12025550100\n"


def test_a_repeated_number_is_counted() -> None:
    """Both leads are sent, and the second is reported, however its number is written."""
    leads, rows, _ = reader(TWICE, expires_in=MINUTE)
    assert [type(row) for row in rows] == [Lead, Lead, Lead]
    assert (leads.repeated, leads.repeated_lines) == (1, [3])


def test_one_dial_per_number_leaves_the_second_lead_out() -> None:
    """Only the first lead with a number is sent."""
    _, rows, _ = reader(TWICE, expires_in=MINUTE, one_dial_per_number=True)
    assert [type(row) for row in rows] == [Lead, BadRow, Lead]
    assert isinstance(rows[1], BadRow)
    assert rows[1].left_out


# --- the digest of a lead -----------------------------------------------------------------------------


def test_the_digest_depends_on_everything_that_is_sent() -> None:
    """Another number, attribute, expiration or --expires-in gives another digest."""
    text = HEADER + f"t-1,{PHONE},{LATER},Ludmilla\n"
    first = only_lead(text).digest(None)
    assert first == only_lead(text).digest(None)
    for old, new in ((PHONE, "+12025550100"), (LATER, "2031-01-02T12:00:00Z"), ("Ludmilla", "Anna")):
        assert only_lead(text.replace(old, new)).digest(None) != first
    short = f"client_token,phone_number\nt-1,{PHONE}\n"
    lead = only_lead(short, expires_in=MINUTE)
    assert lead.digest(MINUTE) != lead.digest(2 * MINUTE)
