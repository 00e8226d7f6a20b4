"""What to say about a guard at the start: its rules, the versions of its tables, and warnings."""

from datetime import UTC, datetime

from gateway.compliance import holiday_calendar, numbers
from gateway.compliance.guard import Guard
from gateway.compliance.rules import Rule
from gateway.compliance.time_zones import TimeZones

YEARS_AHEAD = 1
"""Years before the end of a table of holidays in which its end is reported."""


def rules_in_words(guard: Guard) -> list[str]:
    """Return a line for each rule, and one for campaigns without a rule."""
    unmatched = f"campaigns that no rule names: {guard.rules.unmatched.value}"
    return [*map(Rule.in_words, guard.rules.rules), unmatched]


def versions_in_words(zones: TimeZones) -> list[str]:
    """Return the versions of the tables that the guard reads, each with what it is for."""
    table = zones.table
    return [
        f"numbers: phonenumbers {numbers.VERSION}",
        f"time zones: {table.version} from {table.source}",
        f"holidays: holidays {holiday_calendar.VERSION}",
    ]


def warnings(guard: Guard, now: float) -> list[str]:
    """Return a line for each thing that somebody should look at; `now` is in seconds since the epoch.

    These are campaigns with several rules, tables of holidays that end soon, and days with estimated dates.
    """
    year = datetime.fromtimestamp(now, UTC).year
    found = guard.rules.overlaps()
    for code in sorted(guard.calendars):
        report = guard.calendars[code].report(year)
        if report.last_year <= year + YEARS_AHEAD:
            found.append(
                f"holidays of {code}: the table ends with {report.last_year}; after that every day is closed"
            )
        if report.estimated:
            found.append(f"holidays of {code}: {report.estimated} dates of {year} are estimates")
    return found
