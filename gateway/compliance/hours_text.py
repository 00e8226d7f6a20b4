"""Reads calling hours: weekdays with windows such as `08:00-21:00`, or `always`."""

import re

from gateway.access.strict_yaml import DocumentError, list_at
from gateway.compliance.open_intervals import ALWAYS, MINUTES_A_DAY, Week, Window
from gateway.compliance.rules import DAYS

ALWAYS_TEXT = "always"
MAX_WINDOWS = 8
DAY_PATTERN = rf"^({'|'.join(DAYS)})(-({'|'.join(DAYS)}))?$"
WINDOW_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_days = re.compile(DAY_PATTERN).fullmatch
_window = re.compile(WINDOW_PATTERN).fullmatch


def week_at(path: str, value: object) -> Week:
    """Return the windows of each weekday. Days that are not named are closed. Raises `DocumentError`."""
    if value == ALWAYS_TEXT:
        return ALWAYS
    if not isinstance(value, dict) or not value:
        raise DocumentError(f"{path}: must be `{ALWAYS_TEXT}`, or a mapping of weekdays to windows")
    windows: list[tuple[Window, ...] | None] = [None] * len(DAYS)
    for days, listed in value.items():
        for day in _days_at(path, days):
            if windows[day] is not None:
                raise DocumentError(f"{path}.{days}: {DAYS[day]} is given twice")
            windows[day] = _windows_at(f"{path}.{days}", listed)
    if not any(windows):
        raise DocumentError(f"{path}: must have a window: these campaigns could never call")
    return tuple(one or () for one in windows)


def _days_at(path: str, days: object) -> list[int]:
    found = _days(days) if isinstance(days, str) else None
    if found is None:
        raise DocumentError(
            f"{path}: a key must be a weekday such as monday, or a range such as monday-friday"
        )
    first = DAYS.index(found[1])
    last = DAYS.index(found[3] or found[1])
    return [(first + further) % 7 for further in range((last - first) % 7 + 1)]


def _windows_at(path: str, listed: object) -> tuple[Window, ...]:
    texts = list_at(path, listed, empty=True)
    if len(texts) > MAX_WINDOWS:
        raise DocumentError(f"{path}: at most {MAX_WINDOWS} windows")
    return tuple(_window_at(f"{path}[{number}]", text) for number, text in enumerate(texts))


def _window_at(path: str, text: object) -> Window:
    """Return a window. One whose end is before its start ends on the following day."""
    if not isinstance(text, str) or _window(text) is None:
        raise DocumentError(f'{path}: must be a window of a day, such as "08:00-21:00" or "22:00-02:00"')
    start, end = map(_minute, text.split("-"))
    if start == end:
        raise DocumentError(f'{path}: must not be empty; a whole day is "00:00-24:00"')
    return Window(start, end if end > start else end + MINUTES_A_DAY)


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
