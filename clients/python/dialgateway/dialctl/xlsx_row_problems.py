"""Find the rows of a sheet that openpyxl reads in another way than a person does.

Of merged cells only the first one has a value, although a person reads it in all of them. A row with merged
cells would be sent without that value, or with one that belongs to other rows too.

A formula has the value that a spreadsheet program has stored with it. Programs that only write workbooks
store none, as openpyxl does, or zero, as XlsxWriter does. The latter ask for a calculation of all values when
the workbook is opened (`fullCalcOnLoad`); until then no stored value of a formula is certain.

openpyxl tells neither when it reads row by row, so the sheet's XML is searched.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

_MERGED_OR_HIDDEN = re.compile(
    rb"""mergeCell\s[^>]*?ref=["']([A-Z]+([0-9]+):[A-Z]+([0-9]+))["']"""
    rb"""|<(?:\w+:)?row(?=\s[^>]*?(?<=\s)hidden=["'](?:1|true)["'])[^>]*>\s*<(?:\w+:)?c\s"""
)
"""Merged cells, or the beginning of a hidden row that has cells."""
_LONGEST_TAG = 1000
_FORMULA_WITHOUT_VALUE = re.compile(
    rb"""<(?:\w+:)?c\s(?![^>]*\st=["']str["'])[^>]*?\br=["']([A-Z]+([0-9]+))["'][^>]*>\s*"""
    rb"""<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"""
    rb"""(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"""
)
"""A cell with a formula and no value. The type `str` is a text, which may be empty."""
_FORMULA = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br=["']([A-Z]+([0-9]+))["'][^>]*>\s*<(?:\w+:)?f[\s/>]""")
_LONGEST_FORMULA_CELL = 1 << 16
_NOT_CALCULATED = re.compile(rb"""<(?:\w+:)?calcPr\s[^>]*?\bfullCalcOnLoad=["'](?:1|true)["']""")
_BLOCK_BYTES = 1 << 20


class _MergedRange(NamedTuple):
    """Merged cells: their first and last row, counted from 1, and their name such as B2:B5."""

    first: int
    last: int
    name: str


class RowProblems:
    """The problems of the rows of one sheet, which are asked for in order. `open_xml` opens the sheet's XML.

    `workbook_xml` is the XML of the workbook, which says whether its formulas were calculated. `hidden` is
    the number of rows that a filter or a person has hidden, which are read like the others.

    Merged cells come after all rows, so the sheet is decompressed once for them and once for the formulas;
    that takes far less time than reading its cells.
    """

    def __init__(self, open_xml: Callable[[], IO[bytes]], workbook_xml: bytes) -> None:
        self.hidden = 0
        with open_xml() as xml:
            self._merged = deque(sorted(self._merged_in(xml)))
        self._current = _MergedRange(0, 0, "")
        pattern = _FORMULA if _NOT_CALCULATED.search(workbook_xml) else _FORMULA_WITHOUT_VALUE
        self._formulas = _formulas(pattern, open_xml)
        self._formula = next(self._formulas, None)

    def of(self, line: int, *, is_filled: bool) -> str:
        """Return the problem of a row, or an empty string. Merged cells in an empty row are no problem."""
        while self._merged and self._merged[0].first <= line:
            self._current = max(self._current, self._merged.popleft(), key=lambda each: each.last)
        if formula := self._formula_in(line):
            found = f"has a formula that was not calculated ({formula})"
            return f"{found}: open the workbook in a spreadsheet program and save it"
        if is_filled and line <= self._current.last:
            return f"has merged cells ({self._current.name}): split them and fill in each cell"
        return ""

    def _merged_in(self, xml: IO[bytes]) -> Iterator[_MergedRange]:
        """Yield the merged ranges of a sheet's XML; count its hidden rows."""
        for match in _matches(_MERGED_OR_HIDDEN, xml, _LONGEST_TAG):
            if match[1] is None:
                self.hidden += 1
            else:
                yield _MergedRange(int(match[2]), int(match[3]), match[1].decode())

    def _formula_in(self, line: int) -> str:
        """Return the name of the first cell of a row whose formula has no certain value, or ""."""
        found = ""
        while self._formula is not None and self._formula[0] <= line:
            if self._formula[0] == line:
                found = found or self._formula[1]
            self._formula = next(self._formulas, None)
        return found


def _formulas(pattern: re.Pattern[bytes], open_xml: Callable[[], IO[bytes]]) -> Iterator[tuple[int, str]]:
    """Yield the row and the name of each cell that a pattern of formulas matches."""
    with open_xml() as xml:
        for match in _matches(pattern, xml, _LONGEST_FORMULA_CELL):
            yield int(match[2]), match[1].decode()


def _matches(pattern: re.Pattern[bytes], xml: IO[bytes], longest: int) -> Iterator[re.Match[bytes]]:
    """Yield the matches of a pattern in a file read in blocks. A match has `longest` bytes at most."""
    rest = b""
    while block := xml.read(_BLOCK_BYTES):
        text = rest + block
        end = 0
        for match in pattern.finditer(text):
            end = match.end()
            yield match
        rest = text[max(end, len(text) - longest) :]
