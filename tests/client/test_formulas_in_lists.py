"""Rows are refused whose formulas were not calculated or have an error: an attribute would be wrong."""

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest

from dialgateway.dialctl.lead_list import LeadList, ListOptions
from dialgateway.dialctl.leads import BadRow, Lead

A, B = "+12025550101", "+12025550102"
NOT_CALCULATED = "has a formula that was not calculated"


def read(tmp_path: Path, content: bytes) -> list[Lead | BadRow]:
    """Read a list, a workbook or CSV."""
    file = tmp_path / "leads"
    file.write_bytes(content)
    with LeadList(ListOptions(file, "c", expires_in=timedelta(minutes=1))) as leads:
        return list(leads.leads())


def workbook(rows: list[list[str | None]]) -> bytes:
    """Return a workbook as openpyxl writes it: formulas without values, to be calculated when opened."""
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def rewritten(content: bytes, old: str, new: str) -> bytes:
    """Return a workbook with a text in its parts replaced by another."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(written, "w") as after:
        for part in before.namelist():
            after.writestr(part, before.read(part).decode().replace(old, new))
    return written.getvalue()


def calculated(content: bytes) -> bytes:
    """Return a workbook whose formulas need not be calculated when it is opened."""
    return rewritten(content, ' fullCalcOnLoad="1"', "")


def with_cell(cell: str) -> bytes:
    """Return a workbook with one row whose attribute, in C2, is this XML, and which is to be calculated."""
    content = workbook([["client_token", "phone_number", "name"], ["a", A, "CELL"]])
    return rewritten(content, '<c r="C2" t="inlineStr"><is><t>CELL</t></is></c>', cell)


def test_rows_whose_formulas_have_no_value_are_refused_and_the_others_are_sent(tmp_path: Path) -> None:
    """Also a row of formulas only, which would be passed over as empty."""
    rows: list[list[str | None]] = [
        ["client_token", "phone_number", "name"],
        ["a", A, '="Dear "&"Ann"'],
        ["b", B, "Bob"],
        ["=A2", "=B2", "=C2"],
        [None, None, None],
        ["c", "=B3", None],
    ]
    found = read(tmp_path, workbook(rows))
    assert {row.line: row.problem.partition(":")[0] for row in found if isinstance(row, BadRow)} == {
        2: f"{NOT_CALCULATED} (C2)",
        4: f"{NOT_CALCULATED} (A4)",
        6: f"{NOT_CALCULATED} (B6)",
    }
    assert [row.client_token for row in found if isinstance(row, Lead)] == ["b"]


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="C2"><f>1+1</f><v/></c>',
        '<c r="C2" s="1"><f>1+1</f><v></v></c>',
        '<c s="1" r="C2" t="n"><f>A1&amp;"&lt;"</f></c>',
        '<c r="C2"><f t="shared" si="0"/></c>',
        '<c r="C2">\n <f t="shared" ref="C2:C9" si="0">A1</f>\n <v />\n</c>',
    ],
)
def test_a_formula_without_a_value_is_found_however_it_is_written(tmp_path: Path, cell: str) -> None:
    (row,) = read(tmp_path, calculated(with_cell(cell)))
    assert isinstance(row, BadRow)
    assert row.problem.startswith(f"{NOT_CALCULATED} (C2)")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('<c r="C2"><f>1+1</f><v>2</v></c>', "2"),
        ('<c r="C2" t="str"><f>"a"</f><v>a</v></c>', "a"),
        ('<c r="C2" t="str"><f t="shared" si="0"/><v></v></c>', None),
        ('<c r="C2" t="n"/>', None),
        ('<c r="C2" s="1"/><c r="D2"/>', None),
    ],
)
def test_a_stored_value_is_sent_and_an_empty_text_is_one(
    tmp_path: Path, cell: str, value: str | None
) -> None:
    (row,) = read(tmp_path, calculated(with_cell(cell)))
    assert isinstance(row, Lead)
    assert row.attributes.get("name") == value


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="C2"><f>"Dear "&amp;"Ann"</f><v>0</v></c>',
        '<c r="C2" t="str"><f>"a"</f><v>a</v></c>',
        '<c r="C2" s="2"><f t="shared" si="0"/><v>0</v></c>',
    ],
)
def test_values_are_not_sent_if_the_workbook_is_still_to_be_calculated(tmp_path: Path, cell: str) -> None:
    """XlsxWriter, for example, stores zero as the value of each formula."""
    (row,) = read(tmp_path, with_cell(cell))
    assert isinstance(row, BadRow)
    assert row.problem.startswith(f"{NOT_CALCULATED} (C2)")


def test_other_cells_of_such_a_workbook_are_sent(tmp_path: Path) -> None:
    (row,) = read(tmp_path, with_cell('<c r="C2" t="n"><v>5</v></c>'))
    assert isinstance(row, Lead)
    assert row.attributes == {"name": "5"}


def test_they_are_found_across_blocks_of_a_large_sheet(tmp_path: Path) -> None:
    """A formula may be longer than most cells, and lie in two of the blocks in which the XML is read."""
    formula = "=" + "&".join(['"' + "x" * 200 + '"'] * 40)
    rows: list[list[str | None]] = [["client_token", "phone_number", "name"]]
    rows += [[f"t-{line}", A, formula if line % 3 else "x"] for line in range(2, 602)]
    found = read(tmp_path, calculated(workbook(rows)))
    assert [row.line for row in found if isinstance(row, Lead)] == [n for n in range(2, 602) if n % 3 == 0]


@pytest.mark.parametrize("value", ["#N/A", "#REF!", "#NAME?", "#DIV/0!", "#VALUE!"])
def test_error_values_are_refused_in_workbooks_and_csv(tmp_path: Path, value: str) -> None:
    header = ["client_token", "phone_number", "name"]
    rows = [header, ["a", A, value], ["b", B, f"no {value}"]]
    for content in (workbook([[*row] for row in rows]), "\n".join(map(",".join, rows)).encode()):
        bad, good = read(tmp_path, content)
        assert isinstance(bad, BadRow)
        assert bad.problem == "name: has the error value of a formula; correct it in the spreadsheet"
        assert isinstance(good, Lead)
