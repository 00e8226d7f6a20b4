"""The cost of telemetry in throughput, and the time of `/metrics` with 1,000 campaigns and 200 callers.

Metrics alone: two gateways export spans at 1 %, one of them counts, and both are scraped every second. So
this is the cost of all metrics, with the histogram of answers, its exemplars and the usage by caller. All
telemetry: metrics are pushed too, and logs are at INFO; the other gateway has `OTEL_SDK_DISABLED` and logs
errors only.

Two gateways are measured alternately in pairs, in an order that cancels drift. The cost is the median over
the pairs, since the machine may be busy during one of them. Processor time depends less on that, and least
the processor time of counting, which is measured in this process.
"""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

from benchmarks.counting import counting_us
from benchmarks.fleet.cost import processor_s
from benchmarks.processes import collector, gateway, output_of, reserved_address, sink
from benchmarks.quota.bars import Check, Result, show

COUNT, LIST, CAMPAIGNS, SAMPLED_OF = 40_000, 100, 4, 100
PAIRS = 9
MANY_CAMPAIGNS, EACH, CALLERS, SCRAPES = 1_000, 20, 200, 30
SCRAPE_EVERY_S = 1.0
OPENMETRICS = "application/openmetrics-text"
UNCOUNTED = "benchmarks.uncounted"


class Measured(NamedTuple):
    """What one gateway did: dial requests a second, and processor microseconds for each."""

    rate: float
    processor_us: float


Pair = tuple[Measured, Measured]
"""The gateway without telemetry, or without metrics, and the one with it."""


def run() -> bool:
    """Measure and print; return whether the bars are met."""
    results = (
        Result("metrics alone", _metrics_alone()),
        Result("all telemetry", _throughput()),
        Result("/metrics", _scrape()),
    )
    for result in results:
        print(f"  {result.title}")
        show(result)
    return not any(result.failed for result in results)


def _metrics_alone() -> list[Check]:
    with (
        reserved_address() as admin,
        reserved_address() as other_admin,
        sink() as connect,
        collector() as otlp,
        gateway(
            connect, _spans(otlp), "benchmarks.uncounted", call_rate="0", admin_listen=other_admin
        ) as without,
        gateway(connect, _spans(otlp), call_rate="0", admin_listen=admin) as counting,
        _scraping(admin),
        _scraping(other_admin),
    ):
        pairs = _pairs(without, counting)
    counted_us, request_us = counting_us(), min(seen.processor_us for _, seen in pairs)
    return [
        *_compared(pairs, at_most=0.03),
        Check("processor us of counting, for each dial request", counted_us, "{:.2f}"),
        Check("share of all processor time for it", counted_us / request_us, "{:.1%}", at_most=0.03),
    ]


def _throughput() -> list[Check]:
    quiet = {"OTEL_SDK_DISABLED": "true"}
    with (
        reserved_address() as admin,
        sink() as connect,
        collector() as otlp,
        gateway(connect, quiet, call_rate="0", log_level="ERROR") as without,
        gateway(connect, _seen(otlp), call_rate="0", log_level="INFO", admin_listen=admin) as seen,
        _scraping(admin),
    ):
        return _compared(_pairs(without, seen), at_most=0.10)


def _compared(pairs: list[Pair], at_most: float) -> list[Check]:
    costs = [1 - seen.rate / without.rate for without, seen in pairs]
    work = [seen.processor_us / without.processor_us - 1 for without, seen in pairs]
    return [
        Check("dial requests a second, without", median(without.rate for without, _ in pairs), "{:,.0f}"),
        Check("dial requests a second, with", median(seen.rate for _, seen in pairs), "{:,.0f}"),
        Check("cost of throughput, median of the pairs", median(costs), "{:.1%}", at_most=at_most),
        Check("cost of throughput, least", min(costs), "{:.1%}"),
        Check("cost of throughput, most", max(costs), "{:.1%}"),
        Check("additional processor time, median of the pairs", median(work), "{:.1%}"),
    ]


def _spans(otlp: str) -> dict[str, str]:
    """Return the environment of a gateway that exports spans and pushes no metrics."""
    return {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{otlp}/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(1 / SAMPLED_OF),
    }


def _seen(otlp: str) -> dict[str, str]:
    return _spans(otlp) | {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp, "OTEL_METRIC_EXPORT_INTERVAL": "5000"}


def _pairs(without: tuple[str, int], seen: tuple[str, int]) -> list[Pair]:
    """Measure two gateways, each given by its address and process id, after warming up both."""
    _measured(*without), _measured(*seen)
    return [_pair(without, seen, turned=bool(number % 2)) for number in range(PAIRS)]


def _pair(without: tuple[str, int], seen: tuple[str, int], *, turned: bool) -> Pair:
    """Measure both gateways in turn."""
    if turned:
        with_it = _measured(*seen)
        return _measured(*without), with_it
    return _measured(*without), _measured(*seen)


def _measured(address: str, pid: int) -> Measured:
    """Send dial requests, each with its own trace context, and some of them sampled."""
    arguments = [address, *map(str, (COUNT, LIST, CAMPAIGNS, SAMPLED_OF))]
    began_s = processor_s(pid)
    seconds, accepted = output_of("load", *arguments).split()
    assert int(accepted) == COUNT, "every dial request must be accepted"
    return Measured(COUNT / float(seconds), (processor_s(pid) - began_s) / COUNT * 1e6)


def _scrape() -> list[Check]:
    with (
        reserved_address() as admin,
        sink() as connect,
        gateway(connect, call_rate="0", admin_listen=admin, trusted_proxies="127.0.0.0/8") as (address, pid),
    ):
        numbers = (MANY_CAMPAIGNS * EACH, EACH, MANY_CAMPAIGNS, 0, CALLERS)
        output_of("load", address, *map(str, numbers))
        plain_ms = [_scrape_ms(admin, "text/plain") for _ in range(SCRAPES)]
        openmetrics_ms = [_scrape_ms(admin, OPENMETRICS) for _ in range(SCRAPES)]
        began_s = processor_s(pid)
        text = [_metrics(admin) for _ in range(SCRAPES)][-1]
        processor_ms = (processor_s(pid) - began_s) / SCRAPES * 1000
    assert text.count("dial_gateway_requests_received_total{") == MANY_CAMPAIGNS + 1
    assert text.count("dial_gateway_caller_requests_received_total{") == CALLERS + 1
    return [
        Check("lines, 1,000 campaigns and 200 callers", text.count("\n"), "{:,.0f}"),
        Check("ms for the text format, median", median(plain_ms), "{:.1f}", at_most=50.0),
        Check("ms for the text format, most", max(plain_ms), "{:.1f}"),
        Check("ms for OpenMetrics, median", median(openmetrics_ms), "{:.1f}", at_most=50.0),
        Check("ms for OpenMetrics, most", max(openmetrics_ms), "{:.1f}"),
        Check("processor ms for the text format", processor_ms, "{:.1f}"),
    ]


def _scrape_ms(admin: str, accept: str) -> float:
    began = time.perf_counter()
    _metrics(admin, accept)
    return (time.perf_counter() - began) * 1000


@contextmanager
def _scraping(admin: str) -> Iterator[None]:
    """Scrape every second, which is more often than Prometheus does."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPE_EVERY_S):
            _metrics(admin)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _metrics(admin: str, accept: str = "*/*") -> str:
    """Scrape a gateway; one that counts nothing answers that it does not."""
    connection = http.client.HTTPConnection(admin, timeout=10)
    connection.request("GET", "/metrics", headers={"Accept": accept})
    text = connection.getresponse().read().decode()
    connection.close()
    return text
