#!/usr/bin/env bash
# phonenumbers gives valid numbers a time zone whose clock is an hour off, or one zone of several.
#
# Version: phonenumbers 9.0.43 from PyPI, with libphonenumber's tables; tzdata 2026.6; Python 3.11 or later.
# Expected: `time_zones_for_number` returns the zones in which a number may be answered; for a landline, that of its
#   place.
# Observed: mobile numbers of Belém (UTC-3) get America/Manaus (UTC-4), and those of Recife (UTC-3) America/Noronha
#   (UTC-2). Kaliningrad (UTC+2) gets Europe/Bucharest, which has UTC+3 in summer. Northern Cyprus (UTC+2 in winter)
#   gets Europe/Istanbul (UTC+3). Punta Arenas (UTC-3) gets America/Santiago, which has UTC-4 in winter. +1 474
#   (Saskatchewan) gets America/Winnipeg. Area codes that overlay one with two zones (+1 448 over 850 in Florida) get
#   one of them, and so do mobile numbers of Indonesia.
# Who is affected: programs that compute lawful calling hours: they call an hour too early or too late.
# What to do: correct such prefixes with a table of one's own, and let mobile numbers have all zones of their country.
#
# Exits with 0 as long as it behaves so, and with 1 when all of these numbers have the zones of their places.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install phonenumbers==9.0.43 tzdata==2026.6
PYTHONTZPATH="" "$folder/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

DAYS = [datetime(2027, month, 15, 12, tzinfo=UTC) for month in (1, 7)]
PLACES = [  # a valid number, its place, and the zones of the place
    ("+5591912345678", "Belém, mobile", ["America/Belem"]),
    ("+5581912345678", "Recife, mobile", ["America/Recife"]),
    ("+74012123456", "Kaliningrad", ["Europe/Kaliningrad"]),
    ("+903922281234", "Northern Cyprus", ["Asia/Famagusta"]),
    ("+56612123456", "Punta Arenas", ["America/Punta_Arenas"]),
    ("+14745550123", "Saskatchewan", ["America/Regina"]),
    ("+14485550123", "Florida's panhandle", ["America/Chicago", "America/New_York"]),
    ("+13645550123", "Kentucky's west", ["America/Chicago", "America/New_York"]),
    ("+6281212345678", "Indonesia, mobile", ["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]),
]


def clocks(zones):
    """Return what the clocks of zones are ahead of UTC on both days, in hours."""
    return {tuple(day.astimezone(ZoneInfo(zone)).utcoffset().total_seconds() / 3600 for day in DAYS) for zone in zones}


wrong = 0
for text, place, zones in PLACES:
    number = phonenumbers.parse(text)
    assert phonenumbers.is_valid_number(number), place
    found = time_zones_for_number(number)
    missing = clocks(zones) - clocks(found)
    wrong += bool(missing)
    print(f"{place}: {', '.join(found)}" + (f"; lacks UTC{sorted(missing)} of January and July" if missing else ""))
print(f"phonenumbers {phonenumbers.__version__}: {wrong} of {len(PLACES)} numbers lack a clock of their place")
sys.exit(0 if wrong else 1)
PYTHON
