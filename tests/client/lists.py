"""Reads lists from text in tests, with the options of the command line."""

from __future__ import annotations

import io
from datetime import timedelta

from dialgateway.dialctl.column_layout import ColumnOptions, column_layout
from dialgateway.dialctl.csv_records import CsvRecords
from dialgateway.dialctl.leads import BadRow, Lead, LeadReader
from dialgateway.dialctl.phone_numbers import PhoneNumbers

PHONE = "+12025550123"


def reader(
    text: str,
    *,
    columns: ColumnOptions | None = None,
    campaign_id: str | None = "c",
    expires_in: timedelta | None = None,
    region: str | None = None,
    one_dial_per_number: bool = False,
    delimiter: str | None = None,
) -> tuple[LeadReader, list[Lead | BadRow], CsvRecords]:
    """Read a list; return its reader, its rows and its records."""
    records = CsvRecords(io.StringIO(text, newline=""), delimiter)
    rows = iter(records)
    header = next(rows)
    layout = column_layout(
        header.cells,
        columns or ColumnOptions(),
        needs_expiration=expires_in is None,
        needs_campaign=campaign_id is None,
    )
    leads = LeadReader(layout, PhoneNumbers(region), campaign_id, expires_in, one_dial_per_number)
    return leads, list(leads.leads(rows)), records


def read(text: str, **options: object) -> list[Lead | BadRow]:
    """Read a list; return its rows."""
    return reader(text, **options)[1]  # type: ignore[arg-type]


def only_lead(text: str, **options: object) -> Lead:
    """Return the one row of a list, a lead."""
    (row,) = read(text, **options)
    assert isinstance(row, Lead)
    return row


def only_problem(text: str, **options: object) -> str:
    """Return the problem of the one row of a list."""
    (row,) = read(text, **options)
    assert isinstance(row, BadRow)
    assert PHONE not in repr(row)
    assert "Ludmilla" not in repr(row)
    return row.problem
