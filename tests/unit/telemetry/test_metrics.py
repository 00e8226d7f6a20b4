"""Pushed metrics equal scraped ones, and a dropped campaign leaves no metric."""

import random

import pytest
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from gateway.core.campaigns.condition import CampaignCondition, Condition
from gateway.core.engine import Engine, Limits
from gateway.core.model import Outcome, Reason
from gateway.core.views.snapshot import CampaignFigures
from gateway.telemetry import Metrics, Observation, StreamFigures
from gateway.telemetry.campaign_metrics import PART, merged
from gateway.telemetry.final_export import run_all
from gateway.telemetry.labels import IDLE_S
from tests.unit.core.making import census_of, in_parts
from tests.unit.telemetry.exporters import KeepingExporter


def observed(metrics: Metrics) -> Observation:
    snapshot = census_of(Engine(Limits(), random.Random(1)), 0.0)
    return Observation(1, snapshot, StreamFigures(), metrics.counters.counts())


def test_a_push_holds_what_a_scrape_holds() -> None:
    """Whoever is pushed to gets the figures of the gateway and those of the campaigns."""
    exporter = KeepingExporter()
    metrics = Metrics(10, Resource({}), [exporter])
    metrics.counters.received("c", "caller", 3)
    metrics.counters.answered("c", "caller", Outcome.ACCEPTED, Reason.NONE, 1)
    metrics.counters.request_duration.of("ACCEPTED").add(0.1)
    metrics.loop_lagged(0.1)
    metrics.push(observed(metrics))
    (names,) = exporter.names
    text = metrics.text(observed(metrics))
    scraped = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert len(names) == len(scraped)
    assert {"dial_gateway.requests.received", "dial_gateway.requests.held"} <= names
    run_all(metrics.last_pushes(None))
    assert exporter.closed


def test_campaigns_that_somebody_holds_are_told_apart() -> None:
    """A campaign that is held says so under its label; one without a label is held among the others."""
    metrics = Metrics(1, Resource({}))
    metrics.counters.received("mine", "caller", 1)
    seen = observed(metrics)
    held = seen._replace(snapshot=seen.snapshot._replace(held_s={"mine": 3.0, "x": 5.0, "y": 4.0}))
    name = "dial_gateway_campaign_held_up_seconds"
    text = metrics.text(held)
    assert f'{name}{{campaign="mine",condition="held"}} 3.0' in text
    assert f'{name}{{campaign="other",condition="held"}} 5.0' in text
    assert name not in metrics.text(seen)


def test_campaigns_that_come_and_go_leave_nothing_behind() -> None:
    """Thousands of campaigns, a few at a time: each is shown while it is there, and none after it."""
    metrics = Metrics(10, Resource({}))
    for number in range(5000):
        metrics.counters.received(f"c-{number}", "caller", 1)
        metrics.counters.tidy(2 * IDLE_S * number, 0, ())
        if number % 500 == 0:
            text = metrics.text(observed(metrics))
            assert f'dial_gateway_requests_received_total{{campaign="c-{number}"}} 1' in text
            assert text.count('campaign="c-') < 20
    assert len(metrics.counters.campaigns) <= 3


def test_figures_of_the_sdk_itself_are_exported_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a standard variable makes the SDK count its own work, each scrape and push has both scopes."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    exporter = KeepingExporter()
    metrics = Metrics(10, Resource({}), [exporter])
    for _ in range(2):  # the second collection exports the figures of the first one
        metrics.push(observed(metrics))
        text = metrics.text(observed(metrics))
    families = [family.name for family in text_string_to_metric_families(text)]
    assert len(families) == len(set(families))
    assert {"dial_gateway_requests_held", "otel_sdk_metric_reader_collection_duration_seconds"} <= {*families}
    assert {"dial_gateway.requests.held", "otel.sdk.metric_reader.collection.duration"} <= exporter.names[-1]


def test_campaigns_without_a_label_are_added_up_in_parts() -> None:
    """Each part handles a limited number.

    Queued, in flight and not flowing requests add up to the same totals.
    """
    condition = CampaignCondition("c", Condition.COOLING, 0.0, 0.0, "")
    figures = [CampaignFigures(f"c{number}", number, 1, float(number)) for number in range(9_000)]
    figures += [
        CampaignFigures(f"d{number}", 1, 0, 0.0, None, condition, float(number)) for number in range(5)
    ]
    left = list(figures)
    found, most = in_parts(merged(left, {"c1", "c2"}), lambda: -len(left))
    assert most == PART
    assert left == []
    assert found == [
        *figures[1:3],
        CampaignFigures("other", sum(range(3, 9_000)), 8_998, 8_999.0),
        CampaignFigures("other", 5, 0, 0.0, None, condition, 4.0),
    ]


def test_the_names_of_campaigns_that_have_a_label_are_exported() -> None:
    """A campaign has its name beside its id if it is known; names of others are no metric."""
    metrics = Metrics(10, Resource({}))
    metrics.counters.received("3fa85f64", "caller", 1)
    seen = observed(metrics)
    assert "dial_gateway_campaign_info" not in metrics.text(seen)
    text = metrics.text(seen._replace(campaign_names={"3fa85f64": 'payment "reminders"', "unused": "x"}))
    lines = [line for line in text.splitlines() if line.startswith("dial_gateway_campaign_info")]
    assert lines == ['dial_gateway_campaign_info{campaign="3fa85f64",name="payment \\"reminders\\""} 1']


def test_every_outcome_has_a_histogram_from_the_start() -> None:
    """A rate of the first answers is seen, since each outcome is 0 before them."""
    metrics = Metrics(10, Resource({}))
    counts = {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(metrics.text(observed(metrics)))
        for sample in family.samples
        if sample.name == "dial_gateway_request_duration_seconds_count"
    }
    assert counts == dict.fromkeys((outcome.name for outcome in Outcome), 0)
