"""Facts about numbers, looked up or cached."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from gateway.compliance import numbers as module
from gateway.compliance.number_patterns import Automaton, PatternNotRead
from gateway.compliance.number_zones import NORTH_AMERICA, ZONES, listed_zones
from gateway.compliance.numbers import NumberFacts, PhoneNumbers, Strictness
from gateway.compliance.time_zones import OLD_NAMES
from tests.cases import cases
from tests.unit.compliance.making import numbers, zones

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def told(facts: NumberFacts) -> tuple[object, ...]:
    return facts.region, facts.kind, facts.possible, facts.valid, facts.zones


def numbers_of(code: int) -> st.SearchStrategy[str]:
    """Return numbers of a calling code, near to examples of its regions as often as not."""
    examples = [
        found
        for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        for kind in phonenumbers.PhoneNumberType.values()
        if (found := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    digits = st.text("0123456789", min_size=0, max_size=13)
    near = st.sampled_from(
        [phonenumbers.national_significant_number(example) for example in examples] or ["2"]
    )
    mixed = st.tuples(near, st.integers(0, 10), digits).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[2][: max(0, len(drawn[0]) - drawn[1])]
    )
    return st.one_of(mixed, digits).map(lambda national: f"+{code}{national}"[:16])


@settings(max_examples=cases(120, 20_000))
@given(st.sampled_from(CODES).flatmap(numbers_of))
def test_what_is_remembered_is_what_the_library_says(number: str) -> None:
    """One object is used for all examples: no number may get the facts of another that begins alike."""
    assert told(numbers().facts(number)) == told(numbers().looked_up(number))


@settings(max_examples=cases(25, 10_000))
@given(numbers_of(1), st.text("0123456789", min_size=7, max_size=7))
def test_numbers_that_begin_alike(number: str, end: str) -> None:
    """The facts of the first may be cached; the second must not get them if the library says otherwise."""
    fresh = PhoneNumbers(zones().by_country)
    fresh.facts(number)
    for kept in range(2, len(number)):
        other = (number[:kept] + end)[: len(number)]
        assert told(fresh.facts(other)) == told(fresh.looked_up(other))


def test_a_longer_entry_in_a_table_of_zones_decides() -> None:
    """Both are mobile numbers of Turkey; those with 533 8 may be answered in Northern Cyprus, too."""
    fresh = PhoneNumbers(zones().by_country)
    assert fresh.facts("+905339123456").zones == ("Europe/Istanbul",)
    assert fresh.facts("+905338123456").zones == ("Europe/Istanbul", "Asia/Famagusta")
    assert fresh.facts("+905339123457").zones == ("Europe/Istanbul",)


def test_national_prefixes_behind_a_calling_code() -> None:
    """Expressions count behind a prefix, too; where the library replaces its digits, nothing is kept."""
    britain, argentina = module._patterns_of(44), module._patterns_of(54)
    assert britain is not None
    assert argentina is not None
    assert britain[0].after(britain[0].start, 0)
    assert argentina[1] is not None
    assert module._deciding_digits("54111523456789") is None
    assert module._deciding_digits("541143456789") is not None


def test_every_expression_of_the_library_can_be_read() -> None:
    """Otherwise the numbers of that calling code cost hundreds of microseconds each."""
    assert [code for code in CODES if module._patterns_of(code) is None] == []


def test_most_numbers_are_decided_by_few_digits() -> None:
    for number, most in (("12125550123", 5), ("447400123456", 8), ("4915112345678", 7), ("919876543210", 5)):
        depth = module._deciding_digits(number)
        assert depth is not None
        assert depth <= most


def test_a_full_memory_starts_again() -> None:
    few = PhoneNumbers(zones().by_country, max_classes=3)
    for area in range(201, 220):
        assert told(few.facts(f"+1{area}5550123")) == told(few.looked_up(f"+1{area}5550123"))
    assert few._classes <= 3


@pytest.mark.parametrize(
    ("number", "region", "kind", "possible", "valid"),
    [
        ("+12125550123", "US", "FIXED_LINE_OR_MOBILE", True, True),
        ("+18765230123", "JM", "FIXED_LINE_OR_MOBILE", True, True),
        ("+18762101234", "JM", "MOBILE", True, True),  # a Caribbean number is mobile, not "+1"
        ("+12423591234", "BS", "MOBILE", True, True),
        ("+14165550123", "CA", "FIXED_LINE_OR_MOBILE", True, True),
        ("+19002345678", "US", "PREMIUM_RATE", True, True),
        ("+18005550123", "US", "TOLL_FREE", True, True),
        ("+61131234", "AU", "SHARED_COST", True, True),
        ("+1911", None, "SHORT", False, False),
        ("+44999", None, "SHORT", False, False),
        ("+15550123", None, "UNKNOWN", False, False),  # possible only locally
        ("+12225550123", None, "UNKNOWN", True, False),  # an area code that the library does not know
        ("+4402079460123", None, "UNKNOWN", False, False),  # with its national prefix
        ("+9990123456", None, "UNKNOWN", False, False),  # no country
        ("+80012345678", "001", "TOLL_FREE", True, True),
    ],
)
def test_kinds_and_regions(number: str, region: str | None, kind: str, possible: bool, valid: bool) -> None:
    assert told(numbers().facts(number))[:4] == (region, kind, possible, valid)


def test_strictness() -> None:
    unknown = numbers().facts("+12225550123")
    assert [unknown.is_at_least(one) for one in Strictness] == [True, True, False]


def test_our_table_knows_every_area_code_with_several_zones() -> None:
    """An update of phonenumbers may bring another area code with several zones: our table needs it, too.

    The zones of an area code are those of all its exchanges, since mobile numbers move between exchanges.
    """
    several: dict[str, set[str]] = {}
    for beginning, found in TIMEZONE_DATA.items():
        if beginning.startswith("1") and len(beginning) >= 4:
            several.setdefault(beginning[:4], set()).update(found)
    split = {code for code, found in several.items() if len(found) > 1}
    assert split - NORTH_AMERICA.keys() == set()


def test_every_zone_of_our_table_and_of_the_library_is_known() -> None:
    named = {zone for found in (*ZONES.values(), *TIMEZONE_DATA.values()) for zone in found}
    assert {zone for zone in named if not zones().known(zone)} == set()
    assert {zone for zone in OLD_NAMES.values() if not zones().known(zone)} == set()


def test_the_longest_beginning_counts() -> None:
    assert listed_zones("+90392") == ("Asia/Famagusta",)
    assert listed_zones("+905338123456") == ("Europe/Istanbul", "Asia/Famagusta")
    assert listed_zones("+90212") is None


@pytest.mark.parametrize(
    ("pattern", "digits", "left"),
    [
        (r"[2-9]\d{6}", "2", True),
        (r"(?:2[0-4]|3)\d\d?", "2", False),
        (r"(?:2[0-4]|3)\d\d?", "3", True),
        (r"1(?:23)?4", "1", False),
        (r"0+1", "00", False),
    ],
)
def test_whether_only_the_length_is_left_to_decide(pattern: str, digits: str, left: bool) -> None:
    automaton = Automaton([(pattern,)])
    states = automaton.start
    for digit in digits:
        states = automaton.after(states, int(digit))
    assert automaton.depends_on_length(states) is left


@pytest.mark.parametrize("pattern", ["a", "(1", "1)", "(?!1)2", r"\w", "1*"])
def test_expressions_that_it_does_not_know(pattern: str) -> None:
    with pytest.raises(PatternNotRead):
        Automaton([(pattern,)])
