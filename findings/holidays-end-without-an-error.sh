#!/usr/bin/env bash
# holidays answers "no holiday" for every day of a year that its table does not have, without an error or a warning.
#
# Version: holidays 0.109 from PyPI; Python 3.11 or later.
# Expected: an error or a warning for a year after `end_year`, since the holidays of that year are not known.
# Observed: Sri Lanka's table ends with 2026. For 2027 the list is empty, and `date in calendar` is False for
#   every day, New Year's Day included. Nothing is raised, warned or logged.
# Who is affected: programs that do something on working days only. When a table ends, they treat all holidays of the
#   country as working days from one day to the next.
# What to do: compare the year with `calendar.start_year` and `calendar.end_year` before each question.
#
# Exits with 0 as long as it behaves so, and with 1 when such a year causes an error or a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install holidays==0.109
"$folder/venv/bin/python" -W error - <<'PYTHON'
import sys
from datetime import date

import holidays

calendar = holidays.country_holidays("LK")
last = calendar.end_year
try:
    known = sum(day.year == last for day in holidays.country_holidays("LK", years=last))
    unknown = len(holidays.country_holidays("LK", years=last + 1))
    days = [date(last + 1, month, day) for month in range(1, 13) for day in range(1, 29)]
    found = sum(day in calendar for day in days)
except Exception as error:
    print(f"a year after the table is refused: {type(error).__name__}")
    sys.exit(1)
print(f"holidays {holidays.__version__}, Sri Lanka: {known} holidays in {last}, the last year of its table")
print(f"in {last + 1}: {unknown} holidays, and {found} of {len(days)} days are one")
sys.exit(0 if known > 0 and unknown == 0 and found == 0 else 1)
PYTHON
