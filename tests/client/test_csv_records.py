"""CSV files to records: delimiters, encodings, empty rows, and quotes that swallow other rows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dialgateway.dialctl.csv_records import CsvRecords, delimiter_named, delimiter_of
from dialgateway.dialctl.decoding import open_lines
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.records import Record

PHONE = "+12025550123"


def records(text: str, delimiter: str | None = None) -> CsvRecords:
    return CsvRecords(io.StringIO(text, newline=""), delimiter)


def cells(text: str) -> list[list[str]]:
    return [record.cells for record in records(text)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected_in_the_header(delimiter: str) -> None:
    """Comma, semicolon, tab and pipe are distinguished, and all but the comma are reported."""
    text = f"client_token{delimiter}phone_number\nt{delimiter}{PHONE}\n"
    opened = records(text)
    assert [record.cells for record in opened] == [["client_token", "phone_number"], ["t", PHONE]]
    assert bool(opened.notes) == (delimiter != ",")


def test_a_delimiter_in_quotes_does_not_count() -> None:
    """A name with commas in it does not decide."""
    assert delimiter_of('"name, first, middle, last";phone\n') == ";"


def test_a_separator_line_before_the_header_is_obeyed() -> None:
    """Spreadsheet programs write `sep=;` there; line numbers still count it."""
    read = list(records("sep=;\r\na;b\r\n1;2\r\n"))
    assert [(record.line, record.cells) for record in read] == [(2, ["a", "b"]), (3, ["1", "2"])]


def test_a_delimiter_may_be_given_by_name_or_character() -> None:
    """`tab` is a name for the tab character; several characters are refused."""
    assert (delimiter_named("tab"), delimiter_named("\\t"), delimiter_named("#")) == ("\t", "\t", "#")
    with pytest.raises(UnusableFile, match="--delimiter"):
        delimiter_named("::")


def test_empty_rows_are_skipped_and_counted() -> None:
    """Rows with delimiters only are counted; blank lines are not rows."""
    opened = records("a,b\n1,2\n,,\n \u00a0,\n\n3,4\n")
    assert [record.cells for record in opened] == [["a", "b"], ["1", "2"], ["3", "4"]]
    assert opened.empty_rows == 2


STRAY = (
    f'token,phone,note\na,{PHONE},ok\nb,{PHONE},"call\n'
    f'c,{PHONE},ok\nd,{PHONE},ok\ne,{PHONE},"{{}}\n'
    f"f,{PHONE},ok\n"
)


@pytest.mark.parametrize("ending", ['door 5""', "door"])
def test_a_stray_quote_loses_no_lead_silently(ending: str) -> None:
    """Whether the quotes happen to be valid or not, the lines are named with the number of their leads."""
    read = list(records(STRAY.format(ending)))
    bad = [record for record in read if record.problem]
    assert bad[0].line == 3
    assert "lines 3 to" in bad[0].problem
    assert bad[0].leads >= 3
    assert "none of which is sent" in bad[0].problem
    assert PHONE not in bad[0].problem
    assert ["f", PHONE, "ok"] in [record.cells for record in read] or bad[0].leads == 5


def test_a_cell_with_several_lines_of_text_is_read() -> None:
    """An address or a remark may have several lines, with commas in them."""
    read = cells(f'token,phone,note\na,{PHONE},"12 Main St, Springfield, IL\ncall, please, after 5"\n')
    assert read[1][2] == "12 Main St, Springfield, IL\ncall, please, after 5"


def test_an_unclosed_quote_does_not_read_the_whole_file_into_memory() -> None:
    """The length of a cell is limited, and the lines after it are read."""
    rows = "".join(f"t-{number},{PHONE},ok\n" for number in range(20_000))
    read = list(records(f'token,phone,note\na,{PHONE},"call\n{rows}'))
    problems = [record for record in read if record.problem]
    assert problems[0].line == 2
    assert sum(record.leads for record in read) == 20_002


# --- bytes -------------------------------------------------------------------------------------------


def opened(tmp_path: Path, raw: bytes, encoding: str | None = None) -> tuple[list[Record], str]:
    file = tmp_path / "leads.csv"
    file.write_bytes(raw)
    with file.open("rb") as content:
        decoded = open_lines(content, encoding, is_regular=True)
        return list(CsvRecords(decoded.lines)), decoded.encoding_shown


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_encodings_are_detected(tmp_path: Path, encoding: str, shown: str) -> None:
    """Encodings of spreadsheet programs are read, and all but UTF-8 are reported."""
    read, encoding_shown = opened(tmp_path, "name,token\nJürgen Größe,1\n".encode(encoding))
    assert (read[0].cells, read[1].cells[0], encoding_shown) == (["name", "token"], "Jürgen Größe", shown)


def test_an_invalid_byte_makes_only_its_row_unusable(tmp_path: Path) -> None:
    """A UTF-8 file with one invalid byte is not read as Windows-1252, which would garble other names."""
    read, encoding_shown = opened(tmp_path, b"name\n\xff\n" + "Zoë\n".encode())
    assert (read[1].cells, read[2].cells, encoding_shown) == (["\udcff"], ["Zoë"], "")


def test_an_encoding_may_be_given(tmp_path: Path) -> None:
    """It is used without detection; an unknown one is refused."""
    assert opened(tmp_path, "é\n".encode("latin-1"), "latin-1")[0][0].cells == ["é"]
    with pytest.raises(UnusableFile, match="--encoding"):
        opened(tmp_path, b"a\n", "klingon")
