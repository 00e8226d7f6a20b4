"""Watches exporters: counts lost data, and reports it in the gateway's own log lines at a limited rate.

The export libraries log each failed attempt, with text from the collector. This module takes their lines
during an export and reports only the kind of the failure.
"""

import enum
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger(__name__)
_placeholder = re.compile(r"%[\d.]*[a-z]")

TELL_EVERY_S = 60.0
"""Seconds between two lines about an exporter that keeps failing."""
LONGEST_WORDS = 100
LIBRARIES = "opentelemetry.exporter"
"""The logger above those of all exporters."""


class RefusedReplyError(Exception):
    """A reply that the gateway takes for a failure of the export, whatever the exporter takes it for.

    The text is logged, so it holds nothing that a collector has written.
    """


class ExportResults:
    """The results of exports to one exporter. `what` is `spans`, `metrics` or `events`. Thread-safe.

    `changed` is called at each attempt that fails and at each export that ends.
    """

    def __init__(self, what: str, now: Callable[[], float] = time.monotonic) -> None:
        self.what = what
        self.lost = 0
        self.works: bool | None = None
        self.changed: Callable[[], None] = lambda: None
        self._why = ""
        self._rejected = 0
        self._now = now
        self._reported_at = float("-inf")
        self._unreported = 0
        self._lock = threading.Lock()

    def begun(self) -> None:
        """Note that an export has begun."""
        self._why, self._rejected = "", 0

    def rejected(self, count: int) -> None:
        """Note that the collector has accepted the export that is under way, but for so many items."""
        self._rejected = count

    def attempt_failed(self, why: str, words: str = "") -> None:
        """Note a failed attempt: the kind of failure, or else the library's words without values."""
        self.works = False
        self._why = why or self._why or words
        self.changed()

    def ended(self, count: int, *, exported: bool) -> None:
        """Note the end of an export of so many spans, or of one push of metrics."""
        with self._lock:
            self.works = exported
            if not exported:
                self._lose(count, self._why or "no reason was given")
            elif self._rejected:
                self._lose(min(count, self._rejected), "the collector has rejected some")
            else:
                self._succeeded()
        self.changed()

    def skipped(self) -> None:
        """Count a push that was skipped because the one before has not ended. That one reports the reason."""
        with self._lock:
            self.works = False
            self.lost += 1
            self._unreported += 1
        self.changed()

    def _succeeded(self) -> None:
        if self._reported_at > float("-inf"):
            log.info("%s are exported again", self.what, extra={"lost": self._unreported})
        self._reported_at, self._unreported = float("-inf"), 0

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        self._unreported += count
        if self._now() < self._reported_at + TELL_EVERY_S:
            return
        self._reported_at = self._now()
        log.warning("%s could not be exported: %s", self.what, why, extra={"lost": self._unreported})
        self._unreported = 0


class WatchedSpans(SpanExporter):
    """An exporter of spans whose exports are watched."""

    def __init__(self, exporter: SpanExporter, results: ExportResults) -> None:
        self._exporter = exporter
        self._results = results

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export them; an exception counts as a failure."""
        with _watched(self._results, len(spans)) as result:
            result.exported = self._exporter.export(spans) is SpanExportResult.SUCCESS
        return SpanExportResult.SUCCESS if result.exported else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Pass it on."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Pass it on."""
        return self._exporter.force_flush(timeout_millis)


class WatchedEvents(LogRecordExporter):
    """An exporter of events whose exports are watched."""

    def __init__(self, exporter: LogRecordExporter, results: ExportResults) -> None:
        self._exporter = exporter
        self._results = results

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export them; an exception counts as a failure."""
        with _watched(self._results, len(batch)) as result:
            result.exported = self._exporter.export(batch) is LogRecordExportResult.SUCCESS
        return LogRecordExportResult.SUCCESS if result.exported else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Pass it on."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Pass it on."""
        return self._exporter.force_flush(timeout_millis)


class MetricPusher:
    """Pushes metrics to one exporter, one push at a time."""

    def __init__(self, exporter: MetricExporter, results: ExportResults) -> None:
        self.exporter = exporter
        self.results = results
        self._one_at_a_time = threading.Lock()

    def push(self, read: Callable[[], MetricsData | None], wait_s: float) -> None:
        """Export what `read` returns. If an earlier push still hangs after `wait_s`, this one is lost."""
        if not self._one_at_a_time.acquire(timeout=wait_s):
            self.results.skipped()
            return
        try:
            with _watched(self.results, 1) as result:
                data = read()
                result.exported = data is None or self.exporter.export(data) is MetricExportResult.SUCCESS
        finally:
            self._one_at_a_time.release()


class _Result:
    exported = False


@contextmanager
def _watched(results: ExportResults, count: int) -> Iterator[_Result]:
    """Watch one export in this thread; catch what it raises, and count it as a failure."""
    result = _Result()
    _under_way.results = results
    results.begun()
    try:
        yield result
    except Exception as error:  # noqa: BLE001 - a library's exception must not stop the gateway
        result.exported = False
        results.attempt_failed(_kind(error))
    finally:
        _under_way.results = None
    results.ended(count, exported=result.exported)


class _UnderWay(threading.local):
    results: ExportResults | None = None


_under_way = _UnderWay()


def rejected(count: int) -> None:
    """Note that a collector has rejected so many items of the export that is under way in this thread."""
    if _under_way.results is not None:
        _under_way.results.rejected(count)


class _Listener(logging.Handler):
    """Takes what exporters log during an export in the same thread; passes on everything else."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record, or let the log write it."""
        results = _under_way.results
        if results is None:
            logging.getLogger().handle(record)
        elif record.levelno >= logging.WARNING:
            results.attempt_failed(_kind_of_failure(record), _words_of(record))
        return True


def listen() -> None:
    """Install the handler for the log records of exporters."""
    logger = logging.getLogger(LIBRARIES)
    logger.propagate = False
    if not any(isinstance(handler, _Listener) for handler in logger.handlers):
        logger.addHandler(_Listener())


def hear_all() -> None:
    """Take the filters off the loggers of exporters that have been imported.

    The gRPC exporter leaves out a line whose template is that of the line before. So where spans and metrics
    fail together, the second failure would have no reason.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(LIBRARIES):
            logging.getLogger(name).filters.clear()


def _kind_of_failure(record: logging.LogRecord) -> str:
    """Return the kind of failure that a library logs, never its text, which a collector may have written."""
    values = record.args if isinstance(record.args, tuple) else ()
    kinds = [kind for kind in map(_kind, values) if kind]
    if not kinds and record.exc_info and record.exc_info[0] is not None:
        kinds = [record.exc_info[0].__name__]
    return ", ".join(dict.fromkeys(kinds))


def _words_of(record: logging.LogRecord) -> str:
    """Return the message of a library's record without its values."""
    words = record.msg if isinstance(record.msg, str) else ""
    return _placeholder.sub("…", words.partition("\n")[0][:LONGEST_WORDS])


def _kind(value: object) -> str:
    """Return the name of a status, `HTTP` and its code, our words, or an exception's type; otherwise ""."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, RefusedReplyError):
        return str(value)
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, int) and not isinstance(value, bool):
        return f"HTTP {value}"
    return ""
