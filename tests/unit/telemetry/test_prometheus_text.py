"""Prometheus' text format, read back with the parsers of Prometheus and of its Python client."""

import subprocess
from collections.abc import Iterator

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.distributions import Distribution, Exemplar
from gateway.telemetry.families import Family, Histogram, Numbers
from gateway.telemetry.metric_definitions import Metric
from gateway.telemetry.prometheus_text import (
    CONTENT_TYPE,
    OPENMETRICS,
    PART,
    content_type_for,
    name_of,
    parts_of_text,
    prometheus_text,
)
from scripts.alerts import find_promtool

PROMTOOL = find_promtool()


class Bench:
    """A meter, and the text of its scrape."""

    def __init__(self, **attributes: str) -> None:
        self._reader = InMemoryMetricReader()
        resource = Resource(attributes or {"service.name": 'a"b\\c\nd'})
        self._provider = MeterProvider([self._reader], resource=resource)
        self.meter: Meter = self._provider.get_meter("test")

    def data(self) -> MetricsData | None:
        return self._reader.get_metrics_data()

    def text(self) -> str:
        return prometheus_text(self.data())

    def samples(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.text())
        return {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in families
            for sample in family.samples
        }

    def close(self) -> None:
        self._provider.shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize(
    ("name", "unit", "counter", "expected"),
    [
        ("a.b", "{request}", True, "a_b_total"),
        ("a.b", "{request}", False, "a_b"),
        ("a.wait", "s", True, "a_wait_seconds_total"),
        ("a.wait_seconds", "s", False, "a_wait_seconds"),
        ("a.size", "By", False, "a_size_bytes"),
        ("a.use", "1", False, "a_use_ratio"),
        ("a.use", "1", True, "a_use_total"),
        ("a.rate", "{call}/s", False, "a_rate_per_second"),
        ("a.flag", "", False, "a_flag"),
    ],
)
def test_names(name: str, unit: str, counter: bool, expected: str) -> None:
    """Dots become underscores, the unit and `_total` are appended, annotations are omitted."""
    assert name_of(name, unit, counter=counter) == expected


def test_a_counter_and_a_gauge(bench: Bench) -> None:
    """Values are read back as written, under their labels."""
    bench.meter.create_counter("c", "{x}", "counts").add(3, {"a": "b"})
    bench.meter.create_gauge("g", "s", "tells").set(0.25)
    samples = bench.samples()
    assert samples["c_total[('a', 'b')]"] == 3
    assert samples["g_seconds[]"] == 0.25


def test_a_histogram(bench: Bench) -> None:
    """Buckets are cumulative, the last contains all, and sum and count are present."""
    histogram = bench.meter.create_histogram("h", "s", explicit_bucket_boundaries_advisory=[1, 2.5])
    for value in (0.5, 1, 2, 99):
        histogram.record(value, {"a": "b"})
    samples = bench.samples()
    assert {
        bound: samples[f"h_seconds_bucket[('a', 'b'), ('le', '{bound}')]"] for bound in ("1.0", "2.5", "+Inf")
    } == {"1.0": 2, "2.5": 3, "+Inf": 4}
    assert samples["h_seconds_sum[('a', 'b')]"] == 102.5
    assert samples["h_seconds_count[('a', 'b')]"] == 4


@pytest.mark.parametrize(
    "value", ['a"b', "a\\b", "a\nb", "<script>alert(1)</script>", 'x"} 1\nforged 2', "ünïcode ☎", "\\n"]
)
def test_a_label_cannot_forge_anything(bench: Bench, value: str) -> None:
    """Whatever a label holds, it is read back as that label, and no line is added."""
    bench.meter.create_counter("c").add(1, {"campaign": value})
    assert f"c_total[('campaign', {value!r})]" in bench.samples()
    assert len(bench.text().splitlines()) == 6


def test_the_resource_is_told_once(bench: Bench) -> None:
    """The resource's attributes are in `target_info`, escaped like any label."""
    bench.meter.create_counter("c").add(1)
    assert bench.samples()["target_info[('service_name', 'a\"b\\\\c\\nd')]"] == 1


def test_an_attribute_of_the_resource_cannot_make_the_text_unreadable() -> None:
    """Attributes with the same label share it, and no label begins with a digit."""
    bench = Bench(**{"k8s.pod": "b", "k8s:pod": "c", "k8s_pod": "d", "k8s-node": "a", "1st": "e"})
    bench.meter.create_counter("c").add(1)
    labels = {"k8s_pod": "b;c;d", "k8s_node": "a", "_1st": "e"}
    assert bench.samples()[f"target_info{sorted(labels.items())}"] == 1
    found = {
        family.name: family for family in openmetrics_families(prometheus_text(bench.data(), (), OPENMETRICS))
    }
    assert found["target"].samples[0].labels == labels
    bench.close()


@pytest.mark.parametrize("value", [1e300, 5e-324, 10**20, -0.5])
def test_numbers_at_the_edge(bench: Bench, value: float) -> None:
    """The largest and the smallest numbers are read back unchanged."""
    bench.meter.create_gauge("g").set(value)
    assert bench.samples()["g[]"] == value


def test_nothing_is_an_empty_text() -> None:
    """Without data the text is empty."""
    assert prometheus_text(None) == ""


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not at hand: scripts/promtool.sh brings it")
def test_promtool_reads_the_text_and_finds_no_fault(bench: Bench) -> None:
    """Prometheus' own parser is stricter than its Python client, and promtool knows the rules of naming."""
    bench.meter.create_counter("c", "{x}", "counts").add(1, {"1st": 'a"b\\c\nd'})
    bench.meter.create_gauge("g", "s", "measures").set(0.25)
    families: list[Family] = [waits(), Numbers(SEEN, [(("ünïcode ☎", "x"), 10**20, 0)], counter=True)]
    text = prometheus_text(bench.data(), families)
    checked = subprocess.run(  # noqa: S603
        [str(PROMTOOL), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


# --- OpenMetrics ---------------------------------------------------------------------------------------

WAIT = Metric("a.wait", "s", 'how "long"\nit waits', (0.5, 2.0), ("outcome",))
SEEN = Metric("a.seen", "{request}", "what came", labels=("campaign", "outcome"))


def waits() -> Histogram:
    found = Distribution(WAIT.bounds)
    for value in (0.1, 1.0, 1.5, 7.0):
        found.add(value)
    found.illustrate(Exemplar(1.5, 1_700_000_000_250_000_000, 0xAB, 0xCD))
    return Histogram(WAIT, [(("ACCEPTED",), found)])


def test_a_histogram_of_ours_reads_the_same_in_both_formats() -> None:
    """Buckets, sum and count are equal; only OpenMetrics has the exemplar, at its bucket."""
    plain = list(text_string_to_metric_families(prometheus_text(None, [waits()])))
    text = prometheus_text(None, [waits()], OPENMETRICS)
    wanted = list(openmetrics_families(text))
    assert [(one.name, one.labels, one.value) for one in plain[0].samples] == [
        (one.name, one.labels, one.value) for one in wanted[0].samples
    ]
    with_exemplar = [one for one in wanted[0].samples if one.exemplar is not None]
    (sample,) = with_exemplar
    assert sample.labels == {"outcome": "ACCEPTED", "le": "2.0"}
    assert sample.exemplar is not None
    assert sample.exemplar.labels == {"trace_id": f"{0xAB:032x}", "span_id": f"{0xCD:016x}"}
    assert (sample.exemplar.value, float(sample.exemplar.timestamp or 0)) == (1.5, 1_700_000_000.25)
    assert wanted[0].documentation == WAIT.description
    assert text.endswith("# EOF\n")
    assert "trace_id" not in prometheus_text(None, [waits()])


def test_a_counter_of_ours_reads_the_same_in_both_formats() -> None:
    """OpenMetrics names the family without `_total`; samples and values are equal."""
    rows = [(('c"1', "ACCEPTED"), 3, 0), (("c\\2", "REJECTED"), 4, 0)]
    family = Numbers(SEEN, rows, counter=True)
    (plain,) = text_string_to_metric_families(prometheus_text(None, [family]))
    (wanted,) = openmetrics_families(prometheus_text(None, [family], OPENMETRICS))
    for found in (plain, wanted):
        assert (found.name, found.type) == ("a_seen", "counter")
        assert [(one.name, tuple(one.labels.values()), one.value) for one in found.samples] == [
            ("a_seen_total", labels, value) for labels, value, _ in rows
        ]


def test_metrics_of_the_sdk_are_openmetrics_too(bench: Bench) -> None:
    """Counters, gauges, histograms and the resource pass the strict parser of OpenMetrics."""
    bench.meter.create_counter("c", "{x}", 'counts "all"').add(3, {"a": "b"})
    bench.meter.create_gauge("g", "s").set(0.25)
    bench.meter.create_histogram("h", "s", explicit_bucket_boundaries_advisory=[1]).record(0.5)
    text = prometheus_text(bench.data(), (), OPENMETRICS)
    kinds = {family.name: family.type for family in openmetrics_families(text)}
    assert kinds == {"target": "info", "c": "counter", "g_seconds": "gauge", "h_seconds": "histogram"}


def test_a_row_without_labels_has_no_braces() -> None:
    """A metric of the whole process is one plain sample."""
    family = Numbers(Metric("a", "", ""), [((), 0.5, 0)])
    assert prometheus_text(None, [family]).splitlines()[-1] == "a 0.5"


def test_the_text_is_made_in_parts() -> None:
    """However many rows there are, a part has a limited number of lines, and none is lost."""
    rows = [((f"c-{number}", "x"), number, 0) for number in range(3 * PART)]
    parts = list(parts_of_text(None, [Numbers(SEEN, rows)], CONTENT_TYPE))
    assert max(map(len, parts)) == PART
    assert sum(map(len, parts)) == len(rows) + 2


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", CONTENT_TYPE),
        ("*/*", CONTENT_TYPE),
        ("text/html,application/xhtml+xml,*/*;q=0.8", CONTENT_TYPE),
        ("text/plain;version=0.0.4", CONTENT_TYPE),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ("Application/OpenMetrics-Text;Version=1.0.0", OPENMETRICS),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            OPENMETRICS,
        ),
        ("text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5", CONTENT_TYPE),
        ("application/openmetrics-text;version=2.0.0", CONTENT_TYPE),
        ("application/openmetrics-text;q=0", CONTENT_TYPE),
        ("application/openmetrics-text;q=much,text/plain", CONTENT_TYPE),
        (";;,,=", CONTENT_TYPE),
    ],
)
def test_the_format_is_the_one_that_the_reader_prefers(accept: str, expected: str) -> None:
    """OpenMetrics is for readers that ask for it, in a version that is served, and prefer it."""
    assert content_type_for(accept) == expected
