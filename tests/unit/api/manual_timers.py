"""Timers for tests of sessions, whose time a test sets."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Alarm:
    """A callback at an instant."""

    when: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        """Do not call back."""
        self.cancelled = True


@dataclass
class ManualTimers:
    """Timers on a manual clock; `run_until` calls the callbacks that are due."""

    now: float = 100.0
    alarms: list[Alarm] = field(default_factory=list)

    def time(self) -> float:
        """Return the instant."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> Alarm:
        """Call back once `run_until` has reached the instant."""
        self.alarms.append(Alarm(when, callback))
        return self.alarms[-1]

    def run_until(self, instant: float) -> None:
        """Set the time to an instant, and call the callbacks that are due."""
        self.now = instant
        for alarm in [one for one in self.alarms if one.when <= instant]:
            self.alarms.remove(alarm)
            if not alarm.cancelled:
                alarm.callback()
