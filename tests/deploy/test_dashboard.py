"""The dashboard shows exactly the metrics that the gateway exports, and matches its description."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import alerts, chart, check_alerts, dashboard, panels, promql
from tests.deploy import expressions

LINK = chart.ROOT / "deploy" / "grafana" / "dial-gateway.json"
MADE: dict[str, Any] = json.loads(LINK.read_text())
PANELS = [panel for panel in MADE["panels"] if panel["type"] != "row"]


def test_the_file_matches_the_description() -> None:
    assert LINK.read_text() == dashboard.written()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_names_only_existing_metrics(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert expressions.faults(target["expr"]) == []


def test_every_metric_has_a_panel() -> None:
    used = {
        expressions.metric_of(use.series)
        for panel in PANELS
        for target in panel["targets"]
        for use in expressions.uses(target["expr"])
    }

    assert used - expressions.FOREIGN.keys() == expressions.catalogued().keys()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_counter_is_shown_by_its_rate_and_a_gauge_is_not(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for use in expressions.uses(target["expr"]):
            counts = use.series.endswith(("_total", "_bucket", "_sum", "_count"))
            grows = re.search(rf"(rate|increase)\({use.series}\b", target["expr"]) is not None
            assert grows == counts


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_uses_the_variables_and_has_a_description(panel: dict[str, Any]) -> None:
    chosen = {f"${name}" for name in ("namespace", "job", "instance")}
    for target in panel["targets"]:
        for use in expressions.uses(target["expr"]):
            assert chosen <= {value for _, value in use.matchers}
            by_campaign = "campaign" in expressions.series()[use.series]
            assert ("$campaign" in {value for _, value in use.matchers}) == by_campaign
    assert len(panel["description"]) > 5
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_the_first_row_has_figures_with_thresholds() -> None:
    """Operators see first whether dialing works, in colors that rise with the value."""
    first = panels.ROWS[0]
    figures = [panel for panel in PANELS if panel["type"] == "stat"]

    assert [panel["title"] for panel in figures] == [panel.title for panel in first.panels]
    assert {panel["gridPos"]["y"] for panel in figures} == {1}
    for panel in figures:
        values = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert values[0] is None
        assert len(values) >= 2
        assert values[1:] == sorted(values[1:])


def test_the_graph_of_latency_shows_exemplars() -> None:
    """A slow request leads to its trace."""
    (latency,) = [panel for panel in PANELS if panel["title"] == "Time to the answer"]

    assert [target["exemplar"] for target in latency["targets"]] == [True, True]


def test_the_variables_query_existing_labels() -> None:
    names = [variable["name"] for variable in MADE["templating"]["list"]]
    asked = [variable["query"]["query"] for variable in MADE["templating"]["list"][1:]]

    assert names == ["datasource", "namespace", "job", "instance", "campaign"]
    for name, query in zip(names[1:], asked, strict=True):
        (use,) = expressions.uses(query)
        assert name in expressions.series()[use.series]


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in MADE["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    rows = [panel["title"] for panel in MADE["panels"] if panel["type"] == "row"]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert rows == [row.title for row in panels.ROWS]
    assert len({panel["id"] for panel in MADE["panels"]}) == len(MADE["panels"])


RATE = "dial_gateway_call_rate_current_per_second"
SOLO = "dial_gateway_fleet_solo"
PARTS = {f'{RATE}{{instance="{replica}"}}': value for replica, value in (("a", 3.0), ("b", 3.5))}


@pytest.mark.parametrize(
    ("series", "shown"),
    [
        (PARTS, 6.5),
        (PARTS | {f'{SOLO}{{instance="a"}}': 1.0, f'{SOLO}{{instance="b"}}': 1.0}, 6.5),
        (PARTS | {f'{SOLO}{{instance="a"}}': 0.0, f'{SOLO}{{instance="b"}}': 1.0}, 3.0),
        (PARTS | {f'{SOLO}{{instance="a"}}': 0.0, f'{SOLO}{{instance="b"}}': 0.0}, 3.5),
    ],
    ids=["without a shared state", "all on their own", "one on its own", "all share"],
)
def test_the_rate_in_use_is_that_of_the_account(
    series: dict[str, float], shown: float, tmp_path: Path
) -> None:
    """Replicas on their own use their parts of it together; others know the whole."""
    promtool = alerts.find_promtool()
    if promtool is None:
        pytest.skip("promtool is not at hand: scripts/promtool.sh brings it")
    look = {
        "expr": check_alerts.filled_in(promql.rate_in_use().expr),
        "eval_time": "1m",
        "exp_samples": [{"labels": "{}", "value": shown}],
    }
    given = [{"series": name, "values": f"{value}x5"} for name, value in series.items()]
    test = {"interval": "30s", "input_series": given, "promql_expr_test": [look]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"tests": [test]}))
    alerts.run_tests(promtool, tmp_path)
