"""The public holidays of countries and regions, from the library `holidays`, by year.

A region's list may lack days of its country: California's has no Columbus Day. So both are read. The library
answers "no holiday" for a year that its table does not have, without an error: such a year is not known here.
Each year is read once, from an object that no other thread sees, and is immutable after that.
"""

import importlib.metadata
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import holidays

VERSION = importlib.metadata.version("holidays")
_ESTIMATED = "estimated"


class UnknownCalendar(ValueError):  # noqa: N818 - says what it is
    """The library has no holidays of a country or a region."""


class CalendarReport(NamedTuple):
    """Facts about a calendar, for people.

    `last_year` is the last year of its table, `estimated` the number of days in a year whose dates are
    estimates, such as those that depend on the sight of the moon.
    """

    code: str
    last_year: int
    estimated: int


class _Year(NamedTuple):
    days: frozenset[date]
    estimated: int


class HolidayCalendar:
    """The holidays of a country (`DE`) or of one of its regions (`DE-BY`).

    Raises `UnknownCalendar`. Thread-safe.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        country, dash, region = code.partition("-")
        regions = holidays.list_supported_countries(include_aliases=False).get(country)
        if regions is None:
            raise UnknownCalendar(f"the library holidays {VERSION} has no country {country!r}")
        if dash and region not in regions:
            raise UnknownCalendar(f"the library holidays {VERSION} has no region {region!r} of {country}")
        self._country = country
        self._parts = [None, region] if region else [None]
        self._years: dict[int, _Year] = {}
        self._one_at_a_time = threading.Lock()
        kind = type(self._read(None, 2020))
        self.first_year, self.last_year = int(kind.start_year), int(kind.end_year)

    def is_holiday(self, day: date) -> bool:
        """Whether a date is a holiday. A date of a year that the table does not have counts as one."""
        if not self.first_year <= day.year <= self.last_year:
            return True
        return day in self._year(day.year).days

    def prepare(self, years: Iterable[int]) -> None:
        """Read years now, before threads share the calendar: the first reading takes a second."""
        for year in years:
            self._year(year)

    def report(self, year: int) -> CalendarReport:
        """Return facts about the calendar in a year, for people."""
        estimated = self._year(year).estimated if self.first_year <= year <= self.last_year else 0
        return CalendarReport(self.code, self.last_year, estimated)

    def _year(self, year: int) -> _Year:
        found = self._years.get(year)
        if found is None:
            with self._one_at_a_time:
                found = self._computed(year)
                self._years[year] = found
        return found

    def _computed(self, year: int) -> _Year:
        named: dict[date, str] = {}
        for part in self._parts:
            named.update(self._read(part, year).items())
        days = frozenset(day for day in named if day.year == year)
        return _Year(days, sum(_ESTIMATED in name for day, name in named.items() if day in days))

    def _read(self, region: str | None, year: int) -> holidays.HolidayBase:
        return holidays.country_holidays(
            self._country, subdiv=region, years=year, expand=False, language=self._language()
        )

    def _language(self) -> str | None:
        """Return a language in which estimates are marked in English, None for the country's own."""
        languages = holidays.list_localized_countries(include_aliases=False).get(self._country, [])
        return "en_US" if "en_US" in languages else None


def in_any(calendars: Sequence[HolidayCalendar]) -> Callable[[date], bool]:
    """Return a function that tells whether a date is a holiday of any calendar."""

    def is_holiday(day: date) -> bool:
        return any(calendar.is_holiday(day) for calendar in calendars)

    return is_holiday
