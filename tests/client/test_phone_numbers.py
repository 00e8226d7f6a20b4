"""Phone numbers as CRMs and people write them: converted to E.164, or refused with the reason."""

from __future__ import annotations

import pytest

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.phone_numbers import BadNumber, PhoneNumbers

PLAIN, US, GERMANY = PhoneNumbers(), PhoneNumbers("us"), PhoneNumbers("DE")
CLEANED = [
    ("+12025550117", "+12025550117"),
    (" +12025550117 ", "+12025550117"),
    ("+1 202 555 0117", "+12025550117"),
    ("+1-202-555-0117", "+12025550117"),
    ("+1 (202) 555-0117", "+12025550117"),
    ("+1.202.555.0117", "+12025550117"),
    ("+1\u00a0202\u00a0555\u00a00117", "+12025550117"),
    ("\u202a+12025550117\u202c", "+12025550117"),
    ("+12025550117\u200b", "+12025550117"),
    ("+1\u2011202\u2011555\u20110117", "+12025550117"),
    ("\uff0b12025550117", "+12025550117"),
    ("\uff0b\uff11\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff11\uff17", "+12025550117"),
    ("tel:+12025550117", "+12025550117"),
    ('="+12025550117"', "+12025550117"),
    ("'+12025550117", "+12025550117"),
    ("+5215512345678", "+525512345678"),
    ("+52 1 55 1234 5678", "+525512345678"),
]
REFUSED = [
    ("", "is empty"),
    ("  ", "is empty"),
    ("+12025550117 x12", "has an extension"),
    ("+1 202 555 0117 ext. 12", "has an extension"),
    ("+12025550117;ext=3", "has an extension"),
    ("+12025550117 #3", "has an extension"),
    ("1.20256E+10", "was rounded by a spreadsheet"),
    ("1,20256E+10", "was rounded by a spreadsheet"),
    ("+1 202-555-0121 / +1 202-555-0122", "contains two numbers"),
    ("2025550121 2025550122", "contains two numbers"),
    ("2025550121;2025550122", "contains two numbers"),
    ("n/a", "is not a phone number"),
    ("+1-800-FLOWERS", "contains letters"),
]
NATIONAL = [
    ("(202) 555-0117", US, "+12025550117"),
    ("202-555-0117", US, "+12025550117"),
    ("12025550117", US, "+12025550117"),
    ("0012025550117", US, "+12025550117"),
    ("011 44 20 7946 0018", US, "+442079460018"),
    ("+44 (0)20 7946 0018", US, "+442079460018"),
    ("030 901820", GERMANY, "+4930901820"),
    ("0049 30 901820", GERMANY, "+4930901820"),
]


@pytest.mark.parametrize(("cell", "number"), CLEANED)
@pytest.mark.parametrize("numbers", [PLAIN, US], ids=["plain", "US"])
def test_an_international_number_is_cleaned(numbers: PhoneNumbers, cell: str, number: str) -> None:
    """Separators, invisible characters and additions of spreadsheets are removed."""
    cleaned, change = numbers.clean(cell)
    assert cleaned == number
    assert bool(change) == (cell != number)


@pytest.mark.parametrize(("cell", "reason"), REFUSED)
@pytest.mark.parametrize("numbers", [PLAIN, US], ids=["plain", "US"])
def test_a_cell_without_exactly_one_number_is_refused(numbers: PhoneNumbers, cell: str, reason: str) -> None:
    """The reason says what is wrong, and never shows the cell."""
    with pytest.raises(BadNumber, match=reason) as caught:
        numbers.clean(cell)
    assert not cell.strip() or cell.strip() not in str(caught.value)


@pytest.mark.parametrize(("cell", "numbers", "number"), NATIONAL)
def test_a_region_reads_national_formats(cell: str, numbers: PhoneNumbers, number: str) -> None:
    """The formats of that country are completed with its country code."""
    assert numbers.clean(cell)[0] == number


@pytest.mark.parametrize("cell", ["(202) 555-0117", "12025550117", "0012025550117", "+44 (0)20 7946 0018"])
def test_without_a_region_a_number_needs_a_plus(cell: str) -> None:
    """Anything else could be a number of several countries; the message says what to do."""
    with pytest.raises(BadNumber, match="--region"):
        PLAIN.clean(cell)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("555-0117", "has no area code"),
        ("+1 202 555", "too short"),
        ("+1 202 555 0117 0117", "too long"),
        ("(111) 555-0117", "is not a number of US"),
        ("+999 123 456 789", "is not a phone number of US, nor one with a country code"),
    ],
)
def test_an_impossible_number_is_refused(cell: str, reason: str) -> None:
    """A number without its area code can be dialed only locally, so it is refused too."""
    with pytest.raises(BadNumber, match=reason):
        US.clean(cell)


def test_changes_are_described_by_kind() -> None:
    """The user sees how many numbers were changed and how, but not which ones."""
    cells = ["+1 202 555 0117", "(202) 555-0117", "0012025550117", "+5215512345678", "'+12025550117"]
    assert [US.clean(cell)[1] for cell in cells] == [
        "separators removed",
        "national number completed with its country code",
        "00 became +",
        "+521 became +52",
        "invisible characters, quotes, decimals or spaces around it removed",
    ]


def test_an_unknown_region_is_refused() -> None:
    """An unknown region is an error at once: otherwise every row would be bad."""
    with pytest.raises(UnusableFile, match="--region"):
        PhoneNumbers("USA")
