"""Each decision record has a number of its own, so that a number names one record."""

import re

from tests.docs.documents import ROOT

RECORDS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
NEVER_GIVEN = {80, 87, 88, 89, 99}
"""Later records keep their numbers: other records, comments and commits name them."""


def test_the_records_are_numbered_without_gaps() -> None:
    """No two records have the same number."""
    numbers = [int(record.name.partition("-")[0]) for record in RECORDS]
    assert numbers == [number for number in range(1, numbers[-1] + 1) if number not in NEVER_GIVEN]


def test_the_title_of_a_record_has_the_number_of_its_file() -> None:
    titles = {record.name: record.read_text(encoding="utf-8").partition("\n")[0] for record in RECORDS}
    wrong = {
        name: title
        for name, title in titles.items()
        if not re.match(rf"# {int(name.partition('-')[0])}\. \S", title)
    }
    assert wrong == {}
