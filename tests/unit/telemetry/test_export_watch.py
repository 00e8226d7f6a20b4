"""Exporters are watched: losses are counted, and reported at a limited rate by kind of failure."""

import enum
import logging
from collections.abc import Iterator, Sequence

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from gateway.telemetry.export_watch import (
    LIBRARIES,
    TELL_EVERY_S,
    ExportResults,
    WatchedSpans,
    hear_all,
    listen,
)
from gateway.telemetry.final_export import DOUBTFUL_S, LONGEST_S, FinalExport, run_for

SAID = "the collector said +12065550123"


class Status(enum.Enum):
    UNAVAILABLE = (14, "unavailable")


class Failing(SpanExporter):
    """An exporter that logs like the libraries, then fails, raises, or works."""

    def __init__(self, *says: object, error: Exception | None = None) -> None:
        self.says = says
        self.error = error
        self.works = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Fail, unless it works."""
        if self.works:
            return SpanExportResult.SUCCESS
        if self.error is not None:
            raise self.error
        if self.says:
            template = "Failed to export: " + ", ".join(["%s"] * len(self.says))
            logging.getLogger("opentelemetry.exporter.otlp.x").error(template, *self.says)
        return SpanExportResult.FAILURE


class Kept(logging.Handler):
    """A handler of the root logger, as the log's own is."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        """What the lines say."""
        return [record.getMessage() for record in self.records]


@pytest.fixture
def log() -> Iterator[Kept]:
    """What reaches the log; pytest's own handlers also sit on loggers that pass nothing on."""
    kept = Kept()
    logging.getLogger().addHandler(kept)
    listen()
    yield kept
    logging.getLogger().removeHandler(kept)


class Clock:
    at = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


@pytest.mark.parametrize(
    ("exporter", "why"),
    [
        (Failing(Status.UNAVAILABLE, SAID), "UNAVAILABLE"),
        (Failing(503, SAID), "HTTP 503"),
        (Failing(OSError(SAID)), "OSError"),
        (Failing(SAID), "Failed to export: \u2026"),
        (Failing(error=ValueError(SAID)), "ValueError"),
        (Failing(), "no reason was given"),
    ],
)
def test_the_kind_of_a_failure_is_told(exporter: Failing, why: str, log: Kept) -> None:
    """The log has the status or type of a failure, and no text of a collector."""
    exports = ExportResults("spans")
    assert WatchedSpans(exporter, exports).export([]) is SpanExportResult.FAILURE
    assert log.messages == [f"spans could not be exported: {why}"]
    assert "+1206" not in str(vars(log.records[0]))


def test_a_failure_that_goes_on_is_told_once_a_minute_with_what_was_lost(
    log: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line states the loss since the last line, and so does the line of the first success."""
    caplog.set_level(logging.INFO)
    clock, exporter = Clock(), Failing()
    exports = ExportResults("spans", clock)
    spans = WatchedSpans(exporter, exports)
    batch = [ReadableSpan("x"), ReadableSpan("y")]
    for _ in range(100):
        spans.export(batch)
    clock.at += TELL_EVERY_S
    spans.export(batch)
    spans.export(batch)
    exporter.works = True
    spans.export(batch)
    spans.export(batch)
    assert [record.__dict__["lost"] for record in log.records] == [2, 200, 2]
    assert log.messages[-1] == "spans are exported again"
    assert exports.lost == 204


def test_what_exporters_log_at_other_times_is_logged_as_ever(log: Kept) -> None:
    """Only records during an export are taken. Others reach the log."""
    logging.getLogger("opentelemetry.exporter.otlp.x").warning("a variable is wrong")
    assert log.messages == ["a variable is wrong"]


@pytest.mark.parametrize(("works", "longest_s"), [(True, LONGEST_S), (None, DOUBTFUL_S), (False, DOUBTFUL_S)])
def test_a_last_export_has_longer_where_the_one_before_went_well(
    works: bool | None, longest_s: float
) -> None:
    """A collector that does not answer, or was never heard of, is given a second."""
    exports = ExportResults("spans")
    exports.works = works
    assert FinalExport("spans", lambda: None, exports).longest_s() == longest_s


def test_the_last_exports_share_their_time() -> None:
    """All run in parallel. An export that exceeds the time limit is named, and the others are completed."""
    done: list[str] = []
    doubtful = ExportResults("spans")
    doubtful.works = False
    works = [
        FinalExport("spans", lambda: doubtful.changed(), doubtful),
        FinalExport("metrics", lambda: done.append("metrics")),
    ]
    assert run_for(works, 10.0) == []
    assert done == ["metrics"]
    assert run_for([], 10.0) == []


class SameTemplate(logging.Filter):
    """Leaves out a line whose template is that of the line before, as the gRPC exporter's filter does."""

    last: object = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the template is another one."""
        same, self.last = record.msg == self.last, record.msg
        return not same


class FailingInWords(SpanExporter):
    """Fails each export, and says so as the gRPC exporter does."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Log the failure."""
        library = logging.getLogger(f"{LIBRARIES}.otlp.proto.grpc.exporter")
        library.error("Failed to export %s, error code: %s", "spans", grpc.StatusCode.UNAVAILABLE)
        return SpanExportResult.FAILURE


def test_two_exporters_that_fail_alike_both_have_a_reason(log: Kept) -> None:
    """The library's filter leaves out the second of two lines with one template; none is left out here."""
    logging.getLogger(f"{LIBRARIES}.otlp.proto.grpc.exporter").addFilter(SameTemplate())
    hear_all()
    for what in ("spans", "other spans"):
        WatchedSpans(FailingInWords(), ExportResults(what)).export(())
    assert log.messages == [
        "spans could not be exported: UNAVAILABLE",
        "other spans could not be exported: UNAVAILABLE",
    ]
