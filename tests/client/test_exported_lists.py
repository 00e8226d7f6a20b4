"""Lists as CRMs and spreadsheets export them.

Each is read completely, or the message names the line and what to do.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference

from dialgateway.dialctl.column_layout import ColumnOptions
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.lead_list import LeadList, ListOptions
from dialgateway.dialctl.leads import BadRow, Lead

A, B = "+12025550101", "+12025550102"


@dataclass(frozen=True)
class Shape:
    """A file, the options for it, and the expected result.

    `sent` are the numbers of its leads in order. `problems` has a part of the problem of each bad line.
    `refused` is a part of the message if the whole file is refused. `notes` are parts of the notes for the
    user.
    """

    content: str | bytes
    options: Mapping[str, object] = field(default_factory=dict)
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    sent: tuple[str, ...] = (A, B)
    problems: Mapping[int, str] = field(default_factory=dict)
    refused: str = ""
    notes: tuple[str, ...] = ()


WIDE = {ord(character): ord(character) + 0xFEE0 for character in "+0123456789"}
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
    "a token twice": Shape(
        f"{HEADER}a,{A}\na,{B}\n", sent=(A,), problems={3: "an earlier line has the same token"}
    ),
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
    "no header": Shape(f"a,{A}\nb,{B}\n", refused="has no column 'client_token'"),
    "no leads": Shape(HEADER, sent=()),
    "nothing at all": Shape("", refused="the file is empty"),
    "google contacts": Shape(
        "First Name,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value\n"
        f"Ann,a@x,Mobile,{A}\nBob,b@x,Mobile,{A} ::: {B}\n",
        columns=ColumnOptions(token_from=("E-mail 1 - Value",)),
        sent=(A,),
        problems={3: "contains two numbers"},
    ),
    "outlook": Shape(
        f'"First Name","Business Phone","Home Phone","E-mail Address"\r\n"Ann","","{A}","a@x"\r\n',
        columns=ColumnOptions(token_from=("E-mail Address",)),
        refused='--map "Business Phone=phone_number"',
    ),
    "shop with apostrophes": Shape(
        f"Customer ID,Phone,Tags\n'1,'{A},\"a, b\"\n'2,'{B},\n",
        columns=ColumnOptions(token_from=("Customer ID",)),
        notes=("invisible characters, quotes, decimals or spaces",),
    ),
    "erp with pipes": Shape(
        f"BP-Nr.|Straße/Hausnr.|Telefon\n01|Weg 1|{A}\n02|Weg 2|{B}\n",
        columns=ColumnOptions(token_from=("BP-Nr.",)),
        notes=("'Strasse_Hausnr'",),
    ),
    "last cells cut": Shape(
        f"{HEADER.strip()},x,y\na,{A}\nb,{B},1,2\n", sent=(B,), problems={2: "or export the list again"}
    ),
    "quotes inside of cells": Shape(f'{HEADER.strip()},x\na,{A},5" pipe\nb,{B},Bob "B" Lee\n'),
    "quotes that are not doubled": Shape(
        f'{HEADER.strip()},x\na,{A},"Bob "B" Lee"\nb,{B},1\n', sent=(B,), problems={2: "check its quotes"}
    ),
    "several kinds of line ends": Shape(f"client_token,phone_number\r\na,{A}\rb,{B}\n"),
    "a zero byte": Shape(f"{HEADER.strip()},x\na,{A},1\0\nb,{B}\0,\n", sent=(B,), problems={2: "zero byte"}),
    "zero bytes behind the text": Shape(
        f"{HEADER}a,{A}\nb,{B}\n".encode() + bytes(500), problems={4: "has 1 cells"}
    ),
    "a very long cell": Shape(
        f"{HEADER.strip()},x\na,{A},{'y' * 200_000}\nb,{B},\n",
        sent=(B,),
        problems={2: "more than 131,072 characters"},
    ),
    "a thousand columns": Shape(
        f"{HEADER.strip()},{','.join(f'c {at}' for at in range(998))}\na,{A}{',x' * 998}\nb,{B}{',' * 998}\n",
        notes=("978 more columns",),
    ),
    "times with and without a zone": Shape(
        f"{HEADER.strip()},expiration_time\na,{A},2030-01-02 12:00:00+0200\nb,{B},2030-01-02T12:00:00Z\n"
        f"c,{A},2030-01-02 12:00\nd,{A},45000.5\ne,{A},01/02/2030\n",
        problems={4: "has no time zone", 5: "is a number of days", 6: "is neither ISO 8601"},
    ),
    "numbers as decimals": Shape(f"{HEADER}a,{A}.0\nb,{B[1:]}.0\n", options={"region": "US"}),
    "mexican mobiles": Shape(
        f"{HEADER}a,0052 1 55 1234 5678\nb,+52 1 55 1234 5679\n",
        options={"region": "MX"},
        sent=("+525512345678", "+525512345679"),
    ),
    "numbers of a wide keyboard": Shape(f"{HEADER}a,{A.translate(WIDE)}\nb,{B}\n"),
    "a title above the header": Shape(
        f"Leads of today,\n,\n{HEADER}a,{A}\n", refused="the first line has no"
    ),
    "a line of totals": Shape(f"{HEADER}a,{A}\nb,{B}\nTotal: 2 leads,\n", problems={4: "must be 1 to 200"}),
    "compressed": Shape(b"\x1f\x8b\x08\x00", refused="unpack it first"),
    "a web page called .xls": Shape("\n<HTML><table>", refused="is a web page"),
    "an old workbook": Shape(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", refused="save it as .xlsx"),
    "a damaged workbook": Shape(b"PK\x03\x04damaged", refused="is not an Excel workbook"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_list_is_read_completely_or_names_the_line(name: str, tmp_path: Path) -> None:
    """Every row is a lead with the right number, or is named with its line and problem."""
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
        notes = "\n".join([*leads.notes_before(), *leads.notes_after()])
    assert tuple(row.phone_number for row in rows if isinstance(row, Lead)) == shape.sent
    bad = {row.line: row.problem for row in rows if isinstance(row, BadRow)}
    assert bad.keys() == shape.problems.keys()
    assert all(shape.problems[line] in problem for line, problem in bad.items())
    assert all(note in notes for note in shape.notes)
    assert A not in notes


def workbook(*sheets: list[list[object]], hidden: str = "") -> bytes:
    """Return a workbook with these sheets, named S0, S1 and so on."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for at, rows in enumerate(sheets):
        sheet = book.create_sheet(f"S{at}")
        for row in rows:
            sheet.append(row)
    if hidden:
        book[hidden].sheet_state = "hidden"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def read_workbook(tmp_path: Path, content: bytes, **options: object) -> list[Lead | BadRow]:
    """Read a workbook whose file name does not end in .xlsx."""
    file = tmp_path / "leads.csv"
    file.write_bytes(content)
    options = {"expires_in": timedelta(minutes=1), **options}
    with LeadList(ListOptions(file, "c", **options)) as leads:  # type: ignore[arg-type]
        return list(leads.leads())


def test_cells_of_a_workbook_become_text(tmp_path: Path) -> None:
    """Dates, times, amounts, booleans, numbers as numbers or text."""
    day = datetime(2030, 1, 2, 12, 30)  # noqa: DTZ001 - a workbook knows no time zones
    rows: list[list[object]] = [
        ["client_token", "phone_number", "day", "amount", "mark", "sum"],
        ["a", A, day, 1.5, True, None],
        [7, 12025550102, day.time(), 1e15, False, None],
        ["c", 12025550103.0, None, None, None, None],
    ]
    first, second, third = read_workbook(tmp_path, workbook(rows), region="US")
    assert isinstance(first, Lead)
    assert isinstance(second, Lead)
    assert isinstance(third, Lead)
    assert first.attributes == {"day": "2030-01-02T12:30:00", "amount": "1.5", "mark": "true"}
    assert (second.client_token, second.phone_number) == ("7", B)
    assert second.attributes == {"day": "12:30:00", "amount": "1000000000000000", "mark": "false"}
    assert third.phone_number == "+12025550103"


def test_a_hidden_sheet_is_not_read(tmp_path: Path) -> None:
    """The first visible sheet is read, unless another one is named."""
    good: list[list[object]] = [["client_token", "phone_number"], ["a", A]]
    content = workbook([["x"]], good, hidden="S0")
    assert len(read_workbook(tmp_path, content)) == 1
    with pytest.raises(UnusableFile, match="there is no sheet 'S9'"):
        read_workbook(tmp_path, content, sheet="S9")


def test_hidden_rows_are_read_and_counted_before_anything_is_sent(tmp_path: Path) -> None:
    """A filter hides rows, and a person may expect that they are not called."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["client_token", "phone_number"], ["a", A], ["b", B], ["c", A]):
        sheet.append(row)
    for line in (2, 4, 9):
        sheet.row_dimensions[line].hidden = True
    file = tmp_path / "leads.xlsx"
    book.save(file)
    with LeadList(ListOptions(file, "c", expires_in=timedelta(minutes=1))) as leads:
        assert "2 hidden rows are read as well, also those that a filter hides" in leads.notes_before()
        assert len(list(leads.leads())) == 3


def test_rows_with_merged_cells_are_refused_and_the_others_are_sent(tmp_path: Path) -> None:
    """Only the first of merged cells has a value, so the other rows would lack an attribute or a number."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["client_token", "phone_number", "city"])
    for line in range(2, 9):
        sheet.append([f"t-{line}", A, "Rome"])
    for cells in ("C3:C4", "B7:C7", "C4:C4"):
        sheet.merge_cells(cells)
    content = io.BytesIO()
    book.save(content)
    rows = read_workbook(tmp_path, content.getvalue())
    problems = {row.line: row.problem for row in rows if isinstance(row, BadRow)}
    assert {line: problem.partition(":")[0] for line, problem in problems.items()} == {
        3: "has merged cells (C3",
        4: "has merged cells (C3",
        7: "has merged cells (B7",
    }
    assert "C3:C4" in problems[4]
    assert "fill in each cell" in problems[4]
    assert [row.line for row in rows if isinstance(row, Lead)] == [2, 5, 6, 8]


def test_a_merged_title_above_the_header_is_refused(tmp_path: Path) -> None:
    """A title over several columns is not the header."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["Leads of June"], ["client_token", "phone_number"], ["a", A]):
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    content = io.BytesIO()
    book.save(content)
    with pytest.raises(UnusableFile, match=r"the first line has merged cells \(A1:B1\)"):
        read_workbook(tmp_path, content.getvalue())


def test_merged_cells_are_found_across_blocks_of_a_large_sheet(tmp_path: Path) -> None:
    """The list of merged cells may be longer than the blocks in which the sheet's XML is read."""
    lines = range(2, 92)
    rows: list[list[object]] = [["client_token", "phone_number"]]
    rows += [[f"t-{at}", A] for at in lines]
    others = "".join(f'<mergeCell ref="B{at}:C{at}"/>' for at in range(100_000, 100_500))
    merged = "".join(f'<mergeCell ref="B{at}:C{at}"/>{others}' for at in lines)
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook(rows))) as old, zipfile.ZipFile(content, "w") as new:
        for part in old.namelist():
            text = old.read(part).decode()
            new.writestr(part, text.replace("</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>"))
    read = read_workbook(tmp_path, content.getvalue())
    assert [row.line for row in read if isinstance(row, BadRow)] == list(lines)


def test_a_chart_sheet_is_not_read_as_a_list(tmp_path: Path) -> None:
    """A chart has no cells: it is passed over, or refused with a clear message if it is named."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["client_token", "phone_number"], ["a", A]):
        sheet.append(row)
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=1, min_row=1, max_row=2))
    book.create_chartsheet("Chart", 0).add_chart(chart)
    content = io.BytesIO()
    book.save(content)
    assert len(read_workbook(tmp_path, content.getvalue())) == 1
    with pytest.raises(UnusableFile, match="sheet 'Chart' is a chart; the sheets with cells are 'Sheet'"):
        read_workbook(tmp_path, content.getvalue(), sheet="Chart")
    book["Sheet"].sheet_state = "hidden"
    content = io.BytesIO()
    book.save(content)
    with pytest.raises(UnusableFile, match="has no visible sheet with cells"):
        read_workbook(tmp_path, content.getvalue())


def test_at_most_five_lines_with_a_repeated_number_are_named(tmp_path: Path) -> None:
    """The warning stays short: five lines, and how many more there are."""
    file = tmp_path / "leads.csv"
    file.write_text(HEADER + "".join(f"t-{line},{A}\n" for line in range(2, 1204)))
    with LeadList(ListOptions(file, "c", timedelta(minutes=1))) as leads:
        assert len(list(leads.leads())) == 1202
        (note,) = leads.notes_after()
    assert note.startswith(
        "1,201 leads with the number of an earlier line (line 3, 4, 5, 6, 7 and 1,196 more)"
    )


def test_the_size_in_a_sheet_is_ignored(tmp_path: Path) -> None:
    """A format in the last cell of a sheet makes it a million rows long, without leads."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["client_token", "phone_number"])
    sheet.append(["a", A])
    sheet.cell(1_048_576, 16_384).number_format = "0"
    content = io.BytesIO()
    book.save(content)
    assert len(read_workbook(tmp_path, content.getvalue())) == 1


def test_a_time_in_a_workbook_is_refused(tmp_path: Path) -> None:
    """Workbooks have no time zones; the message says what to write."""
    day = datetime(2030, 1, 2)  # noqa: DTZ001 - a workbook knows no time zones
    rows: list[list[object]] = [["client_token", "phone_number", "expiration_time"], ["a", A, day]]
    (row,) = read_workbook(tmp_path, workbook(rows), expires_in=None)
    assert isinstance(row, BadRow)
    assert "has no time zone" in row.problem
