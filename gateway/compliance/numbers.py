"""Facts about phone numbers: whether a number is valid, its kind, its region and its time zones.

The tables are those of phonenumbers, of `number_zones`, and of the tz database. Facts that the first digits
of a number decide are cached, so that most numbers take one microsecond instead of the library's hundreds.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberType, ValidationResult
from phonenumbers.tzdata import TIMEZONE_DATA

from gateway.compliance.number_patterns import Automaton, PatternNotRead
from gateway.compliance.number_zones import ZONES, listed_zones
from gateway.compliance.time_zones import OLD_NAMES

MAX_CLASSES = 200_000
"""The most beginnings of numbers in the cache; a full cache is emptied."""
VERSION = phonenumbers.__version__
KINDS = tuple(PhoneNumberType.to_string(value) for value in PhoneNumberType.values())
"""The names of kinds of numbers, as phonenumbers has them."""
NEVER = frozenset({"PREMIUM_RATE", "SHARED_COST", "SHORT"})
"""Kinds that are never called. Emergency numbers are SHORT."""
_GROUPS = (
    *("general_desc", "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)
_NORTH_AMERICA = 1
_ANYWHERE = frozenset({"MOBILE", "FIXED_LINE_OR_MOBILE"})


class Strictness(enum.Enum):
    """How strictly numbers are checked."""

    E164 = "e164"  # the form only, as without a guard
    POSSIBLE = "possible"  # a length that can be dialed from abroad
    VALID = "valid"  # within a range that is in use


@dataclass(frozen=True, slots=True, eq=False)
class NumberFacts:
    """The facts about all numbers with the same beginning and length.

    `region` is None if the number fits no region. `kind` is one of `KINDS`, or SHORT. `zones` are all zones
    in which the number may be answered, empty if they are not known.
    """

    region: str | None
    kind: str
    possible: bool
    valid: bool
    zones: tuple[str, ...]

    def is_at_least(self, strictness: Strictness) -> bool:
        """Whether the number passes a check."""
        if strictness is Strictness.E164:
            return True
        return self.possible if strictness is Strictness.POSSIBLE else self.valid


NOTHING_KNOWN = NumberFacts(None, "UNKNOWN", possible=False, valid=False, zones=())


class _ByLength(dict[int, NumberFacts]):
    """Facts of numbers that begin alike, by their length."""

    __slots__ = ()


_Branches = dict[str, "_Branches | _ByLength"]


class PhoneNumbers:
    """Finds facts about numbers, and caches them by the beginnings of the numbers.

    `countries` are the zones of each region (`time_zones.TimeZones.by_country`). `max_classes` is the most
    beginnings in the cache. Not thread-safe.
    """

    def __init__(self, countries: Mapping[str, tuple[str, ...]], max_classes: int = MAX_CLASSES) -> None:
        self._countries, self._most_classes = countries, max_classes
        self._root: _Branches = {}
        self._classes = 0
        self.number_look_ups = 0
        """How many numbers `facts` had to look up in the tables: each takes as long as hundreds of cached
        ones."""

    def facts(self, number: str) -> NumberFacts:
        """Return the facts about a number in the form E.164."""
        node: _Branches | _ByLength | None = self._root
        for digit in number:
            node = node.get(digit)  # type: ignore[union-attr, call-overload]
            if node.__class__ is not dict:
                break
        if node.__class__ is _ByLength:
            found: NumberFacts | None = node.get(len(number))
            if found is not None:
                return found
        return self._learned(number)

    def prepare(self) -> None:
        """Read the expressions of all calling codes before they are needed.

        It takes up to half a second for each calling code, and a second or two for all. A thread may do it.
        The library's tables of short numbers are read, too.
        """
        for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            _patterns_of(code)
        for region in phonenumbers.SUPPORTED_SHORT_REGIONS:
            PhoneMetadata.short_metadata_for_region(region)
        _longer()

    def _learned(self, number: str) -> NumberFacts:
        self.number_look_ups += 1
        facts = self.looked_up(number)
        depth = _deciding_digits(number[1:])
        if depth is not None:
            self._remember(number[: depth + 1], len(number), facts)
        return facts

    def _remember(self, beginning: str, length: int, facts: NumberFacts) -> None:
        if self._classes >= self._most_classes:
            self._root, self._classes = {}, 0
        branches = self._root
        for digit in beginning[:-1]:
            below = branches.setdefault(digit, {})
            if isinstance(below, _ByLength):
                return
            branches = below
        leaf = branches.setdefault(beginning[-1], _ByLength())
        if isinstance(leaf, _ByLength):
            leaf[length] = facts
            self._classes += 1

    def looked_up(self, number: str) -> NumberFacts:
        """Return the facts about a number from the tables, without the cache."""
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            return NOTHING_KNOWN
        if _written(parsed) != number:
            return NOTHING_KNOWN  # with a national prefix after the calling code: another number if dialed
        kind = _kind(parsed)
        region = phonenumbers.region_code_for_number(parsed) if kind != "SHORT" else None
        possible = phonenumbers.is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE
        zones = self._zones(number, parsed.country_code or 0, kind, region)
        return NumberFacts(region, kind, possible, valid=kind not in {"UNKNOWN", "SHORT"}, zones=zones)

    def _zones(self, number: str, calling_code: int, kind: str, region: str | None) -> tuple[str, ...]:
        listed = listed_zones(number)
        if listed is not None:
            return listed
        country = () if region is None else self._countries.get(region, ())
        if len(country) <= 1:
            return country
        if calling_code == _NORTH_AMERICA:
            return _library_zones(number[1:] if kind in _ANYWHERE or kind == "FIXED_LINE" else "1")
        if kind != "FIXED_LINE":
            return country  # anywhere in the country
        zones = _library_zones(number[1:])
        return zones if zones and set(zones) <= set(country) else country


def _kind(number: PhoneNumber) -> str:
    kind = PhoneNumberType.to_string(phonenumbers.number_type(number))
    if kind == "UNKNOWN" and phonenumbers.is_possible_short_number(number):
        return "SHORT"
    return kind


def _written(number: PhoneNumber) -> str:
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def _library_zones(digits: str) -> tuple[str, ...]:
    """Return the zones of phonenumbers for the beginning of a number, by today's names."""
    for length in range(len(digits), 0, -1):
        found = TIMEZONE_DATA.get(digits[:length])
        if found is not None:
            return tuple(dict.fromkeys(OLD_NAMES.get(zone, zone) for zone in found))
    return ()


def _deciding_digits(digits: str) -> int | None:
    """Return how many digits decide the facts about a number of this length; None if all may matter."""
    code = next((digits[:end] for end in (1, 2, 3) if _is_calling_code(digits[:end])), None)
    if code is None:
        return min(3, len(digits))
    patterns = _patterns_of(int(code))
    if patterns is None:
        return None
    automaton, prefix = patterns
    states, prefix_states = automaton.start, prefix.start if prefix is not None else frozenset[int]()
    for count in range(len(code), len(digits) + 1):
        if count > len(code):
            digit = int(digits[count - 1])
            states = automaton.after(states, digit)
            if prefix is not None:
                prefix_states = prefix.after(prefix_states, digit)
                if prefix.matches(prefix_states):
                    return None  # the library may change the digits: it must look at each such number
        undecided = prefix is not None and bool(prefix_states)
        if not undecided and automaton.depends_on_length(states) and not _has_longer(digits[:count]):
            return count
    return None


def _is_calling_code(digits: str) -> bool:
    return digits.isdecimal() and int(digits) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


def _has_longer(beginning: str) -> bool:
    """Whether further digits may change the zones of numbers that begin so."""
    ours, library = _longer()
    return beginning in ours or (beginning in library and listed_zones(f"+{beginning}") is None)


@cache
def _longer() -> tuple[frozenset[str], frozenset[str]]:
    """Return the proper beginnings of all entries of our table of zones, and of the library's."""
    return frozenset(_beginnings(ZONES)), frozenset(_beginnings(TIMEZONE_DATA))


def _beginnings(keys: Iterable[str]) -> Iterator[str]:
    return (key[:length] for key in keys for length in range(1, len(key)))


@cache
def _patterns_of(calling_code: int) -> tuple[Automaton, Automaton | None] | None:
    """Return the automaton of a calling code, and that of prefixes that change the digits, if any.

    Returns None if an expression uses unknown syntax: then no facts about its numbers are cached. The library
    removes a national prefix from a number, so each expression is matched behind the prefix, too.
    """
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[calling_code]
    metadata = [PhoneMetadata.metadata_for_region_or_calling_code(calling_code, one) for one in regions]
    patterns = {pattern for one in metadata if one is not None for pattern in _expressions(one)}
    main = metadata[0]
    prefix = main.national_prefix_for_parsing if main is not None else None
    changes = main is not None and bool(main.national_prefix_transform_rule)
    sequences: list[tuple[str, ...]] = [(pattern,) for pattern in sorted(patterns)]
    if prefix and not changes:
        sequences += [(prefix, pattern) for pattern in sorted(patterns)]
    try:
        return Automaton(sequences), Automaton([(prefix,)]) if prefix and changes else None
    except PatternNotRead:
        return None


def _expressions(metadata: PhoneMetadata) -> Iterator[str]:
    for name in _GROUPS:
        group = getattr(metadata, name)
        if group is not None and group.national_number_pattern:
            yield group.national_number_pattern
    if metadata.leading_digits:
        yield metadata.leading_digits
