"""Prometheus' text format, read back with Prometheus' own parser."""

from collections.abc import Iterator

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.prometheus_text import name_of, prometheus_text


class Bench:
    """A meter, and the text of its scrape."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], resource=Resource({"service.name": 'a"b\\c\nd'}))
        self.meter: Meter = self._provider.get_meter("test")

    def text(self) -> str:
        return prometheus_text(self._reader.get_metrics_data())

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


@pytest.mark.parametrize("value", [1e300, 5e-324, 10**20, -0.5])
def test_numbers_at_the_edge(bench: Bench, value: float) -> None:
    """The largest and the smallest numbers are read back unchanged."""
    bench.meter.create_gauge("g").set(value)
    assert bench.samples()["g[]"] == value


def test_nothing_is_an_empty_text() -> None:
    """Without data the text is empty."""
    assert prometheus_text(None) == ""
