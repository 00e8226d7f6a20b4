"""The lines about a guard in the log at the start."""

from gateway.compliance.guard_report import rules_in_words, versions_in_words, warnings
from tests.unit.compliance.making import guard, utc, zones

RULES = """
version: 1
rules:
  - {name: a, campaigns: ["*"], hours: always, holidays: [LK, EG]}
  - {name: b, campaigns: ["surveys"], hours: {monday: ["10:00-12:00"]}, zone: {fixed: Asia/Colombo}}
"""


def test_rules_and_versions() -> None:
    found = guard(RULES)
    assert rules_in_words(found)[1:] == [
        "b: surveys: hours monday 10:00-12:00 in Asia/Colombo; numbers valid",
        "campaigns that no rule names: refuse",
    ]
    assert f"time zones: {zones().table.version} from" in versions_in_words(zones())[1]


def test_warnings() -> None:
    """Rules that overlap, a table that ends, dates that are estimates."""
    found = guard(RULES)
    last = found.calendars["LK"].last_year
    lines = warnings(found, utc(f"{last - 1}-06-01T00:00"))
    assert "rules a and b apply to surveys: the stricter counts" in lines
    assert f"holidays of LK: the table ends with {last}; after that every day is closed" in lines
    assert not any("EG: the table ends" in line for line in lines)
    later = warnings(found, utc("2028-06-01T00:00"))
    assert any(line.startswith("holidays of EG: ") and "are estimates" in line for line in later)
