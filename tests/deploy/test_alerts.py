"""Alerts use existing metrics only, and each has tests and an entry in the runbook."""

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.core.model import NoticeKind
from gateway.settings import PREFIX, Settings
from scripts import alerts, check_alerts, dashboard, panels
from tests.deploy import expressions

PROMTOOL = alerts.find_promtool()
RUNBOOK = alerts.ROOT / "docs" / "runbook.md"
RULES = alerts.rules()
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
PARTS = ("It means", "Callers notice", "Look", "Do", "Do not")
EACH = pytest.mark.parametrize("name", ALERTS)
SETTINGS = {f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)}
SEVERITIES = {"critical", "warning"}

Test = dict[str, Any]


@functools.cache
def all_tests() -> list[Test]:
    """Return every test of every file."""
    return [
        test for path in alerts.TESTS.glob("*.yaml") for test in yaml.safe_load(path.read_text())["tests"]
    ]


def named_after(name: str) -> list[Test]:
    """Return the tests of an alert, which carry its name."""
    return [test for test in all_tests() if test["name"].startswith(f"{name} ")]


def fired(test: Test) -> list[dict[str, str]]:
    """Return the labels of all alerts that a test expects to fire."""
    return [
        dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        for look in test["promql_expr_test"]
        for sample in look["exp_samples"]
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.get("alert") or rule.get("record")))
def test_a_rule_names_only_existing_metrics(rule: alerts.Rule) -> None:
    assert expressions.faults(rule["expr"]) == []
    assert expressions.recorded(rule["expr"]) <= RECORDED.keys()


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_name_has_labels_metric_and_operation(name: str) -> None:
    level, metric, operation = name.split(":")

    by = expressions.aggregation_labels(RECORDED[name]["expr"].split("unless")[0])
    assert set(level.split("_")) == by - {"le"}
    assert metric.startswith("dial_gateway_")
    assert operation


@EACH
def test_an_alert_has_a_severity_and_a_runbook_link(name: str) -> None:
    rule = ALERTS[name]

    assert re.fullmatch(r"DialGateway([A-Z][a-z]+)+", name)
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    optional = {"threshold", "campaign_name"}
    assert rule["annotations"].keys() - optional == {"summary", "description", "runbook_url"}
    assert ("campaign_name" in rule["annotations"]) == ("$labels.campaign" in rule["annotations"]["summary"])
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert rule["annotations"]["description"].endswith(".")


THRESHOLDS = {name: rule["annotations"].get("threshold") for name, rule in ALERTS.items()}


@EACH
def test_the_threshold_of_an_alert_is_once_in_its_expression(name: str) -> None:
    """The chart replaces exactly this number, so an alert with another number than 0 has the annotation."""
    numbers = re.findall(r"[<>] ([0-9.]+)(?: |$)", ALERTS[name]["expr"])

    assert numbers.count(str(THRESHOLDS[name])) == (THRESHOLDS[name] is not None)
    assert THRESHOLDS[name] or set(numbers) <= {"0"}


def test_requests_that_expire_after_ten_minutes_cause_no_alert_about_a_backlog() -> None:
    """README sends requests with ten minutes to their expiration: none of them waits longer than that."""
    soon = re.findall(
        r"timedelta\(minutes=(\d+)\)|--expires-in (\d+)m", (alerts.ROOT / "README.md").read_text()
    )
    longest_s = max(60 * int(minutes) for pair in soon for minutes in pair if minutes)

    assert longest_s == 600
    assert float(THRESHOLDS["DialGatewayBacklogWillExpire"]) >= longest_s


@EACH
def test_the_texts_of_an_alert_use_its_own_labels(name: str) -> None:
    said = " ".join(ALERTS[name]["annotations"].values())
    wanted = set(re.findall(r"\$labels\.(\w+)", said))
    every = [labels for test in named_after(name) for labels in fired(test)]

    assert wanted <= {label for labels in every for label in labels}
    assert wanted <= {"calendar", "campaign", "file", "instance", "job", "result", "trail"}


@EACH
def test_an_alert_has_a_test_that_it_fires_and_one_that_it_does_not(name: str) -> None:
    firing = [test for test in named_after(name) if test["name"].startswith(f"{name} fires ")]
    silent = [test for test in named_after(name) if test["name"].startswith(f"{name} is silent ")]
    severity = ALERTS[name]["labels"]["severity"]

    assert firing
    assert silent
    for test in firing:
        assert {(labels["alertname"], labels["severity"]) for labels in fired(test)} == {(name, severity)}
    for test in firing + silent:
        assert bool(fired(test)) == (test in firing)
        assert all(look["expr"] == 'ALERTS{alertstate="firing"}' for look in test["promql_expr_test"])


def test_the_tests_use_series_that_the_gateway_exports() -> None:
    for test in all_tests():
        for given in test["input_series"]:
            (use,) = expressions.uses(given["series"])
            labels = {label for label, _ in use.matchers}
            assert expressions.faults(given["series"].replace('campaign="', 'campaign="$')) == []
            assert labels <= expressions.series()[use.series]


def test_the_runbook_has_an_entry_for_each_alert_in_their_order() -> None:
    text = RUNBOOK.read_text()

    assert re.findall(r"^## (DialGateway\w+)$", text, re.MULTILINE) == list(ALERTS)


@EACH
def test_an_entry_of_the_runbook_has_all_its_parts(name: str) -> None:
    entry = RUNBOOK.read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]

    assert tuple(re.findall(r"^\*\*([A-Z][a-z ]+)\.\*\*", entry, re.MULTILINE)) == PARTS
    assert f"`{ALERTS[name]['labels']['severity']}`" in entry


def test_the_targets_of_the_runbooks_links_exist() -> None:
    text = RUNBOOK.read_text()
    shown = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", text))
    words = {word for values in expressions.VALUES.values() for word in values}
    words |= {kind.name for kind in NoticeKind} | SETTINGS | {"RESOURCE_EXHAUSTED"}

    assert shown
    assert shown <= {panel.title for row in panels.ROWS for panel in row.panels}
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", text)) <= words
    assert set(re.findall(r"\b(DialGateway\w+)", text)) == ALERTS.keys()


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not at hand: scripts/promtool.sh brings it")
def test_promtool_takes_the_rules_and_the_dashboard() -> None:
    assert PROMTOOL is not None
    alerts.check(PROMTOOL)
    alerts.check_expressions(PROMTOOL, map(check_alerts.filled_in, dashboard.expressions()))
    with pytest.raises(alerts.RulesError, match="parse"):
        alerts.check_expressions(PROMTOOL, ["sum by (dial_gateway_backlog"])


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not at hand: scripts/promtool.sh brings it")
def test_an_alert_about_a_campaign_has_its_name(tmp_path: Path) -> None:
    """The name comes from the info series. Without one, the annotation is empty, so it is not sent."""
    assert PROMTOOL is not None
    (tmp_path / "tests").mkdir()
    (tmp_path / "dial-gateway.rules.yaml").write_text(alerts.RULES.read_text())
    name, labels = "DialGatewayCampaignCooling", 'namespace="n",job="j",instance="a",campaign="id-{}"'
    held_up = f'dial_gateway_campaign_held_up_seconds{{{{{labels},condition="cooling"}}}}'
    given = [{"series": held_up.format(number), "values": "0+30x100"} for number in (1, 2)]
    info = 'dial_gateway_campaign_info{namespace="n",job="j",instance="a",campaign="id-1",name="debt <b>"}'
    expected = [
        {
            "exp_labels": {"severity": "warning", "namespace": "n", "job": "j", "campaign": f"id-{number}"},
            "exp_annotations": {
                **ALERTS[name]["annotations"],
                "summary": f"Campaign id-{number} has not flowed for 11m 30s",
                "campaign_name": called,
            },
        }
        for number, called in ((1, "debt <b>"), (2, ""))
    ]
    test = {
        "name": f"{name} has the name of its campaign",
        "interval": "30s",
        "input_series": [*given, {"series": info, "values": "1x100"}],
        "alert_rule_test": [{"alertname": name, "eval_time": "11m30s", "exp_alerts": expected}],
    }
    document = {"rule_files": ["../dial-gateway.rules.yaml"], "evaluation_interval": "30s", "tests": [test]}
    (tmp_path / "tests" / "names.yaml").write_text(yaml.safe_dump(document))
    assert alerts.run_tests(PROMTOOL, tmp_path / "tests") == 1


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not at hand: scripts/promtool.sh brings it")
def test_a_test_fails_if_a_threshold_changes(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    (tmp_path / "tests").mkdir()
    tests = named_after("DialGatewayCampaignCooling")
    document = {"rule_files": ["../dial-gateway.rules.yaml"], "evaluation_interval": "30s", "tests": tests}
    (tmp_path / "tests" / "cooling.yaml").write_text(yaml.safe_dump(document))
    rules, text = tmp_path / "dial-gateway.rules.yaml", alerts.RULES.read_text()
    rules.write_text(text)
    assert alerts.run_tests(PROMTOOL, tmp_path / "tests") == 1

    rules.write_text(text.replace("> 600", "> 700"))
    with pytest.raises(alerts.RulesError, match="DialGatewayCampaignCooling"):
        alerts.run_tests(PROMTOOL, tmp_path / "tests")
