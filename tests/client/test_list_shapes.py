"""Lists as CRMs and spreadsheets export them: each is read completely, or names the line and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.layout import ColumnOptions
from dialgateway.dialctl.leads import BadRow, Lead
from dialgateway.dialctl.lists import LeadList, ListOptions

A, B = "+12025550101", "+12025550102"


@dataclass(frozen=True)
class Shape:
    """A file, the options that its user gives, and what is expected of it.

    `sent` are the numbers of its leads in order; `problems` says for lines what their refusal names;
    `refused` is in the message where the file as a whole is refused. `notes` are parts of what the user is
    told.
    """

    content: str | bytes
    options: Mapping[str, object] = field(default_factory=dict)
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    sent: tuple[str, ...] = (A, B)
    problems: Mapping[int, str] = field(default_factory=dict)
    refused: str = ""
    notes: tuple[str, ...] = ()


HEADER = "client_token,phone_number\n"
ID = ColumnOptions(token_from=("Id",))

SHAPES = {
    "crm with quoted cells": Shape(
        f'"Id","First Name","Phone"\n"0031","Ann","{A}"\n"0032","Bob, Jr.","{B}"\n',
        columns=ID,
        notes=("'First Name') is sent as the attribute 'First_Name'",),
    ),
    "crm with several numbers": Shape(
        "Id,Phone,Mobile\n1,,x\n", columns=ID, refused='--map "Phone=phone_number"'
    ),
    "crm with several numbers, one chosen": Shape(
        f"Id,Phone,Mobile\n1,,{A}\n2,,{B}\n",
        columns=ColumnOptions(token_from=("Id",), named={"Mobile": "phone_number"}, drop=("Phone",)),
    ),
    "spreadsheet of a comma country": Shape(f"client_token;phone_number\r\na;{A}\r\nb;{B}\r\n"),
    "spreadsheet as unicode text": Shape(
        f"client_token\tphone_number\r\na\t{A}\r\nb\t{B}\r\n".encode("utf-16")
    ),
    "spreadsheet with a separator line": Shape(f"sep=;\r\nclient_token;phone_number\r\na;{A}\r\nb;{B}\r\n"),
    "database with pipes": Shape(f"client_token|phone_number\na|{A}\nb|{B}\n", notes=("by pipes",)),
    "another delimiter, given": Shape(
        f"client_token#phone_number\na#{A}\nb#{B}\n", options={"delimiter": "#"}
    ),
    "byte order mark": Shape(f"\ufeff{HEADER}a,{A}\nb,{B}\n"),
    "old windows program": Shape(
        f"client_token,phone_number,Straße\na,{A},Gärtnerweg\nb,{B},x\n".encode("cp1252"),
        notes=("Windows-1252", "'Strasse'"),
    ),
    "old mac program": Shape(f"client_token,phone_number\ra,{A}\rb,{B}\r"),
    "no line end at the end": Shape(f"{HEADER}a,{A}\nb,{B}"),
    "blank lines between": Shape(f"{HEADER}\na,{A}\n\n\nb,{B}\n\n"),
    "empty rows at the end": Shape(f"{HEADER}a,{A}\nb,{B}\n,\n,\n", notes=("2 empty rows skipped",)),
    "empty columns at the end": Shape(
        f"client_token,phone_number,,\na,{A},,\nb,{B},x,\n",
        notes=("2 columns without a name skipped", "1 cells in columns without a name"),
    ),
    "rows wider than the header": Shape(f"{HEADER}a,{A},,\nb,{B}\n"),
    "a cell too many": Shape(f"{HEADER}a,{A},oops\nb,{B}\n", sent=(B,), problems={2: "has 3 cells"}),
    "a cell missing": Shape(f"{HEADER}a\nb,{B}\n", sent=(B,), problems={2: "has 1 cells"}),
    "spaces around everything": Shape(f" client_token , phone_number \n a , {A} \n b , {B} \n"),
    "names in capitals": Shape(
        f"CLIENT TOKEN,PHONE NUMBER\na,{A}\nb,{B}\n",
        columns=ColumnOptions(named={"client token": "client_token"}),
    ),
    "german": Shape(
        f"Kundennummer;Vorname;Handy\n1;Jörg;{A}\n2;Änne;{B}\n",
        columns=ColumnOptions(token_from=("Kundennummer",)),
    ),
    "french": Shape(
        f"Numéro;Prénom;Téléphone\n1;René;{A}\n2;Zoë;{B}\n", columns=ColumnOptions(token_from=("Numéro",))
    ),
    "spanish": Shape(f"Id,Nombre,Teléfono\n1,Íñigo,{A}\n2,Ana,{B}\n", columns=ID),
    "national numbers": Shape(f"{HEADER}a,(202) 555-0101\nb,202.555.0102\n", options={"region": "US"}),
    "national numbers without a region": Shape(
        f"{HEADER}a,(202) 555-0101\nb,{B}\n", sent=(B,), problems={2: "--region"}
    ),
    "numbers rounded by a spreadsheet": Shape(
        f"{HEADER}a,1.20256E+10\nb,{B}\n", sent=(B,), problems={2: "was rounded by a spreadsheet"}
    ),
    "numbers as formulas": Shape(f'{HEADER}a,"=""{A}"""\nb,\'{B}\n'),
    "a remark with line breaks": Shape(
        f'client_token,phone_number,note\na,{A},"first line\nsecond, with a comma\nthird"\nb,{B},\n'
    ),
    "a quote too many": Shape(
        f'client_token,phone_number,note\na,{A},"call\nb,{B},ok\nc,{B},"yes"\n',
        sent=(),
        problems={2: "lines 2 to 4"},
    ),
    "a token twice": Shape(f"{HEADER}a,{A}\na,{B}\n", sent=(A,), problems={3: "stands in the file before"}),
    "a number twice": Shape(
        f"{HEADER}a,{A}\nb,{A}\n", sent=(A, A), notes=("1 lead with the number of an earlier",)
    ),
    "a number twice, once dialed": Shape(
        f"{HEADER}a,{A}\nb,{A}\n",
        options={"one_dial_per_number": True},
        sent=(A,),
        problems={3: "an earlier line has the same number"},
    ),
    "two columns with one name": Shape(
        f"client_token,phone_number,note,note\na,{A},x,y\n", refused="would both be the attribute 'note'"
    ),
    "no header": Shape(f"a,{A}\nb,{B}\n", refused="names no column 'client_token'"),
    "no leads": Shape(HEADER, sent=()),
    "nothing at all": Shape("", refused="the file is empty"),
    "an old workbook": Shape(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", refused="save it as .xlsx"),
    "a damaged workbook": Shape(b"PK\x03\x04damaged", refused="is no Excel workbook"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_list_is_read_completely_or_names_the_line(name: str, tmp_path: Path) -> None:
    """Every row is a lead with the right number, or is named with its line and what is wrong."""
    shape, file = SHAPES[name], tmp_path / "leads.csv"
    file.write_bytes(shape.content if isinstance(shape.content, bytes) else shape.content.encode())
    options = ListOptions(
        file,
        "c",
        timedelta(minutes=1),
        shape.columns,
        **shape.options,  # type: ignore[arg-type]
    )
    if shape.refused:
        with pytest.raises(UnusableFile) as caught:
            LeadList(options)
        assert shape.refused in str(caught.value)
        assert A not in str(caught.value)
        return
    with LeadList(options) as leads:
        rows = list(leads.leads())
        told = "\n".join([*leads.notes_before(), *leads.notes_after()])
    assert tuple(row.phone_number for row in rows if isinstance(row, Lead)) == shape.sent
    bad = {row.line: row.problem for row in rows if isinstance(row, BadRow)}
    assert bad.keys() == shape.problems.keys()
    assert all(shape.problems[line] in problem for line, problem in bad.items())
    assert all(note in told for note in shape.notes)
    assert A not in told
