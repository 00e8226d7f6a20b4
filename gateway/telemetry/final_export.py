"""Runs exports in parallel; when the gateway stops, within a time limit for all of them together."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.telemetry.export_watch import ExportResults

LONGEST_S = 5.0
"""Seconds for the last export, at most, if the export before it succeeded."""
DOUBTFUL_S = 1.0
"""Seconds for the last export if the one before failed or did not exist, or if an attempt fails."""


@dataclass(slots=True)
class FinalExport:
    """An export to run: its content, its function, and the results of earlier exports, if known."""

    what: str
    run: Callable[[], object]
    results: ExportResults | None = None
    done: bool = False

    def longest_s(self) -> float:
        """Return how many seconds it may take at the end, by the results so far."""
        return LONGEST_S if self.results is None or self.results.works else DOUBTFUL_S


def run_all(exports: Sequence[FinalExport]) -> None:
    """Run all exports, in a thread each if there are several; return when all are done."""
    threads = [threading.Thread(target=export.run, daemon=True) for export in exports[1:]]
    for thread in threads:
        thread.start()
    for export in exports[:1]:
        export.run()
    for thread in threads:
        thread.join()


def run_for(exports: Sequence[FinalExport], timeout_s: float) -> list[str]:
    """Run all exports in parallel for `timeout_s` seconds at most; return the unfinished ones.

    An unfinished export continues in its daemon thread, which ends with the process.
    """
    changed = threading.Condition()
    began = time.monotonic()
    for export in exports:
        if export.results is not None:
            export.results.changed = lambda: _notify(changed)
        threading.Thread(target=_run, args=(export, changed), daemon=True, name="last-export").start()
    with changed:
        while (left_s := _left_s(exports, timeout_s, time.monotonic() - began)) > 0:
            changed.wait(left_s)
        return [export.what for export in exports if not export.done]


def _run(export: FinalExport, changed: threading.Condition) -> None:
    try:
        export.run()
    finally:
        with changed:
            export.done = True
            changed.notify_all()


def _notify(changed: threading.Condition) -> None:
    with changed:
        changed.notify_all()


def _left_s(exports: Sequence[FinalExport], timeout_s: float, passed_s: float) -> float:
    """Return the seconds left for unfinished exports; 0 or less if there are none."""
    return max(
        (min(timeout_s, export.longest_s()) - passed_s for export in exports if not export.done), default=0.0
    )
