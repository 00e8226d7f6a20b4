"""Requests to the admin port of a gateway, as browsers, probes and Prometheus send them."""

import asyncio
import http.client
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Page:
    """An answer of the admin port."""

    status: int
    headers: dict[str, str]
    body: str


async def get(port: int, path: str, method: str = "GET", **headers: str) -> Page:
    """Request a page; underscores in the names of headers stand for dashes."""
    return await asyncio.to_thread(_get, port, path, method, headers)


def _get(port: int, path: str, method: str, headers: dict[str, str]) -> Page:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): headers[name] for name in headers})
        response = connection.getresponse()
        return Page(response.status, dict(response.headers), response.read().decode())
    finally:
        connection.close()


@dataclass(frozen=True)
class Scrape:
    """All samples of a scrape."""

    text: str
    samples: list[tuple[str, dict[str, str], float]]

    def value(self, name: str, /, **labels: str) -> float:
        """Return the sum of the samples with this name and these labels."""
        return sum(
            value for found, has, value in self.samples if found == name and labels.items() <= has.items()
        )

    def names(self) -> dict[str, tuple[str, frozenset[str]]]:
        """Return kind and label names of each metric that has samples."""
        found = {}
        for family in text_string_to_metric_families(self.text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, frozenset(labels))
        return found


async def scrape(port: int) -> Scrape:
    """Scrape the metrics, and parse them with Prometheus' own parser."""
    page = await get(port, "/metrics")
    assert page.status == 200, page.body
    families = text_string_to_metric_families(page.body)
    samples = [(one.name, dict(one.labels), one.value) for family in families for one in family.samples]
    return Scrape(page.body, samples)
