"""Runs exports in parallel; when the gateway leaves, within a time limit for all of them together."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.telemetry.export_watch import Exports

LONGEST_S = 5.0
"""Seconds for the last export, at most, if the export before it succeeded."""
DOUBTFUL_S = 1.0
"""Seconds for the last export if the one before failed or did not exist, or if an attempt fails."""


@dataclass(slots=True)
class Work:
    """An export to run: its content, its function, and the results of earlier exports, if known."""

    what: str
    run: Callable[[], object]
    exports: Exports | None = None
    done: bool = False

    def longest_s(self) -> float:
        """Return how many seconds it may take at the end, by the results so far."""
        return LONGEST_S if self.exports is None or self.exports.works else DOUBTFUL_S


def run_all(works: Sequence[Work]) -> None:
    """Run all exports, in a thread each if there are several; return when all are done."""
    threads = [threading.Thread(target=work.run, daemon=True) for work in works[1:]]
    for thread in threads:
        thread.start()
    for work in works[:1]:
        work.run()
    for thread in threads:
        thread.join()


def run_for(works: Sequence[Work], timeout_s: float) -> list[str]:
    """Run all exports in parallel for `timeout_s` seconds at most; return the unfinished ones.

    An unfinished export continues in its daemon thread, which ends with the process.
    """
    changed = threading.Condition()
    began = time.monotonic()
    for work in works:
        if work.exports is not None:
            work.exports.changed = lambda: _notify(changed)
        threading.Thread(target=_run, args=(work, changed), daemon=True, name="last-export").start()
    with changed:
        while (left_s := _left_s(works, timeout_s, time.monotonic() - began)) > 0:
            changed.wait(left_s)
        return [work.what for work in works if not work.done]


def _run(work: Work, changed: threading.Condition) -> None:
    try:
        work.run()
    finally:
        with changed:
            work.done = True
            changed.notify_all()


def _notify(changed: threading.Condition) -> None:
    with changed:
        changed.notify_all()


def _left_s(works: Sequence[Work], timeout_s: float, passed_s: float) -> float:
    """Return the seconds left for unfinished exports; 0 or less if there are none."""
    return max((min(timeout_s, work.longest_s()) - passed_s for work in works if not work.done), default=0.0)
