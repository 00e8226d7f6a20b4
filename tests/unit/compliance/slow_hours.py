"""A slow model of calling hours, which checks the local time minute by minute."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from gateway.compliance.open_intervals import Week

MINUTE_S = 60


def is_open(week: Week, zone: tzinfo, is_holiday: Callable[[date], bool], instant: int) -> bool:
    """Whether the wall clock of a zone shows an open minute at an instant."""
    wall = datetime.fromtimestamp(instant, UTC).astimezone(zone)
    today, minute = wall.date(), wall.hour * 60 + wall.minute
    if is_holiday(today):
        return False
    if any(start <= minute < end for start, end in week[today.weekday()]):
        return True
    yesterday = today - timedelta(days=1)
    return not is_holiday(yesterday) and any(
        start <= minute + 1440 < end for start, end in week[yesterday.weekday()]
    )


class SlowHours:
    """The model of `CallingHours`."""

    def __init__(
        self, week: Week, zones: Sequence[tzinfo], is_holiday: Callable[[date], bool], *, every: bool
    ) -> None:
        self._week, self._zones, self._is_holiday = week, zones, is_holiday
        self._quantify = all if every else any

    def is_open(self, instant: int) -> bool:
        return bool(self._zones) and self._quantify(
            is_open(self._week, zone, self._is_holiday, instant) for zone in self._zones
        )

    def change_after(self, instant: int, minutes: int) -> int | None:
        """Return the first whole minute after an instant that differs from it, None if there is none soon."""
        now = self.is_open(instant)
        first = (instant // MINUTE_S + 1) * MINUTE_S
        for at in range(first, first + minutes * MINUTE_S, MINUTE_S):
            if self.is_open(at) is not now:
                return at
        return None
