"""Pushed metrics equal scraped ones, and a dropped campaign leaves no metric."""

import random
import re
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from gateway.core.campaigns.condition import CampaignCondition, Condition
from gateway.core.engine import Engine, Limits
from gateway.core.model import Outcome, Reason
from gateway.core.views.snapshot import CampaignFigures
from gateway.telemetry import GuardFigures, ListFigures, Metrics, Observation, StreamFigures, TrailFigures
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
    assert {
        "dial_gateway.requests.held",
        "otel.sdk.metric_reader.collection.duration",
    } <= exporter.names[-1]


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


def test_the_guard_has_the_documented_metrics_with_their_labels() -> None:
    """There are none without a guard."""
    metrics = Metrics(10, Resource({}))
    figures = GuardFigures(
        decisions={("debts", "SUPPRESSED", "refused"): 3},
        waiting=4,
        version="v7",
        unusable_files=1,
        lists={"dnc": ListFigures(1_000_000, 60.0, digest=(1 << 48) - 1)},
        suppressed=2,
        holidays_end={"US": 1_900_000_000.0},
        trails={"file": TrailFigures(10, 1, 2, 5, failing=True, written_at=1_796_040_000.0)},
    )
    seen = observed(metrics)
    assert "dial_gateway_guard" not in metrics.text(seen)
    found = {
        sample.name: (sample.value, sample.labels)
        for family in text_string_to_metric_families(metrics.text(seen._replace(guard=figures)))
        for sample in family.samples
        if "_guard_" in sample.name
    }
    assert {name: frozenset(labels) for name, (_, labels) in found.items()} == documented("The guard")
    assert {name.removeprefix("dial_gateway_guard_"): value for name, (value, _) in found.items()} == {
        "decisions_total": 3,
        "waiting": 4,
        "rules_info": 1,
        "files_unusable": 1,
        "list_numbers": 1_000_000,
        "list_digest": 0xFFFFFFFFFFFF,
        "list_age_seconds": 60,
        "suppressed": 2,
        "holidays_end_timestamp_seconds": 1_900_000_000,
        "audit_records_total": 10,
        "audit_records_lost_total": 1,
        "audit_damages_total": 2,
        "audit_waiting": 5,
        "audit_failing": 1,
        "audit_last_write_timestamp_seconds": 1_796_040_000,
    }
    assert found["dial_gateway_guard_decisions_total"][1] == {
        "rule": "debts",
        "reason": "SUPPRESSED",
        "decision": "refused",
    }


def documented(section: str) -> dict[str, frozenset[str]]:
    """Return the labels of each metric in a section of docs/metrics.md."""
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text().split(f"\n## {section}\n")[1]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\|([^|]*)\|", text.split("\n## ")[0], re.MULTILINE)
    return {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
