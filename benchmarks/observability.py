"""The cost of telemetry: throughput with and without it, and `/metrics` with 1,000 campaigns.

With: metrics counted, scraped every second and pushed, spans at 1 % exported, logs at INFO. Without:
`OTEL_SDK_DISABLED` and errors only. Two gateways are measured alternately in pairs, in an order that cancels
drift. The cost is the median over the pairs, since the machine may be busy during one of them.
"""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.processes import collector, gateway, output_of, reserved_address, sink
from benchmarks.quota.bars import Check, Result, show

COUNT, LIST, CAMPAIGNS, SAMPLED_OF = 40_000, 100, 4, 100
PAIRS = 9
MANY_CAMPAIGNS, EACH, SCRAPES = 1_000, 20, 30
SCRAPE_EVERY_S = 1.0


def run() -> bool:
    """Measure and print; return whether the bars are met."""
    result = Result("telemetry", [*_throughput(), *_scrape()])
    show(result)
    return not result.failed


def _throughput() -> list[Check]:
    quiet = {"OTEL_SDK_DISABLED": "true"}
    with (
        reserved_address() as admin,
        sink() as connect,
        collector() as otlp,
        gateway(connect, quiet, call_rate="0", log_level="ERROR") as (without, _),
        gateway(connect, _seen(otlp), call_rate="0", log_level="INFO", admin_listen=admin) as (seen, _),
        _scraping(admin),
    ):
        _rate(without), _rate(seen)  # warm up both
        pairs = [_pair(without, seen, turned=bool(number % 2)) for number in range(PAIRS)]
    costs = [1 - seen_rate / without_rate for without_rate, seen_rate in pairs]
    return [
        Check("dial requests a second, without", median(rate for rate, _ in pairs), "{:,.0f}"),
        Check("dial requests a second, with", median(rate for _, rate in pairs), "{:,.0f}"),
        Check("cost, median of the pairs", median(costs), "{:.1%}", at_most=0.10),
        Check("cost, least", min(costs), "{:.1%}"),
        Check("cost, most", max(costs), "{:.1%}"),
    ]


def _seen(otlp: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(1 / SAMPLED_OF),
    }


def _pair(without: str, seen: str, *, turned: bool) -> tuple[float, float]:
    """Measure both gateways in turn; return the rates without and with telemetry."""
    if turned:
        with_it = _rate(seen)
        return _rate(without), with_it
    return _rate(without), _rate(seen)


def _rate(address: str) -> float:
    """Send dial requests, each with its own trace context, and some of them sampled."""
    arguments = [address, *map(str, (COUNT, LIST, CAMPAIGNS, SAMPLED_OF))]
    seconds, accepted = output_of("load", *arguments).split()
    assert int(accepted) == COUNT, "every dial request must be accepted"
    return COUNT / float(seconds)


def _scrape() -> list[Check]:
    with (
        reserved_address() as admin,
        sink() as connect,
        gateway(connect, call_rate="0", admin_listen=admin) as (address, _),
    ):
        output_of("load", address, str(MANY_CAMPAIGNS * EACH), str(EACH), str(MANY_CAMPAIGNS))
        took_ms = []
        for _ in range(SCRAPES):
            began = time.perf_counter()
            text = _metrics(admin)
            took_ms.append((time.perf_counter() - began) * 1000)
    assert text.count("dial_gateway_requests_received_total{") == MANY_CAMPAIGNS + 1
    return [
        Check("lines of /metrics, 1,000 campaigns", text.count("\n"), "{:,.0f}"),
        Check("ms for /metrics, median", median(took_ms), "{:.1f}", at_most=50.0),
        Check("ms for /metrics, most", max(took_ms), "{:.1f}"),
    ]


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


def _metrics(admin: str) -> str:
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as response:
        return str(response.read().decode())
