"""Public holidays by country and region."""

import threading
from datetime import date

import pytest

from gateway.compliance.holiday_calendar import HolidayCalendar, UnknownCalendar, in_any


def test_a_region_has_the_days_of_its_country() -> None:
    """The library's list of California lacks Columbus Day, and Florida's Presidents' Day."""
    assert HolidayCalendar("US-CA").is_holiday(date(2026, 10, 12))
    assert HolidayCalendar("US-CA").is_holiday(date(2026, 3, 31))  # and its own: Cesar Chavez Day
    assert HolidayCalendar("US-FL").is_holiday(date(2026, 2, 16))
    assert not HolidayCalendar("US").is_holiday(date(2026, 3, 31))
    assert HolidayCalendar("DE-BY").is_holiday(date(2026, 1, 6))
    assert not HolidayCalendar("DE").is_holiday(date(2026, 1, 6))


def test_observed_days_at_the_turn_of_a_year() -> None:
    """New Year's Day of 2028 is a Saturday: the Friday before, in 2027, is free."""
    calendar = HolidayCalendar("US")
    assert calendar.is_holiday(date(2027, 12, 31))
    assert calendar.is_holiday(date(2028, 1, 1))


def test_a_year_after_the_table_is_closed_and_reported() -> None:
    """The library says "no holiday" for it, without an error."""
    calendar = HolidayCalendar("LK")
    assert calendar.last_year == calendar.report(2026).last_year
    assert calendar.is_holiday(date(calendar.last_year + 1, 6, 1))
    assert HolidayCalendar("US").report(2027).last_year >= 2099


def test_estimated_days_are_reported() -> None:
    """Days that depend on the sight of the moon."""
    assert HolidayCalendar("EG").report(2027).estimated > 0
    assert HolidayCalendar("US").report(2027).estimated == 0


@pytest.mark.parametrize("code", ["XX", "US-XX", "us", "", "DE-", "USA"])
def test_calendars_that_the_library_does_not_have(code: str) -> None:
    with pytest.raises(UnknownCalendar):
        HolidayCalendar(code)


def test_several_calendars() -> None:
    is_holiday = in_any([HolidayCalendar("FR"), HolidayCalendar("US")])
    assert is_holiday(date(2026, 7, 14))
    assert is_holiday(date(2026, 7, 3))  # the day before Independence Day, which is a Saturday
    assert not is_holiday(date(2026, 7, 15))


def test_threads_may_share_a_calendar() -> None:
    """Years that were not read before are read by many threads at once, and all get the same days."""
    calendar = HolidayCalendar("US")
    days = [date(year, 12, 25) for year in range(2030, 2040)]
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.extend(map(calendar.is_holiday, days))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 80
