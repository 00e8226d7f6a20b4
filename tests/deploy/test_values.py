"""The schema of the values accepts what the chart uses and refuses everything else."""

import copy
import json
from typing import Any

import jsonschema
import pytest
import yaml

from scripts import chart

SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text())
DEFAULTS: dict[str, Any] = yaml.safe_load((chart.CHART / "values.yaml").read_text())

WRONG: list[dict[str, Any]] = [
    {"replica": 3},
    {"replicas": 0},
    {"replicas": "2"},
    {"quota": {"callRate": -1}},
    {"quota": {"callBurst": 0}},
    {"quota": {"rate": 10}},
    {"gateway": {"connectApi": "v3"}},
    {"gateway": {"connectApiByCampaign": "debt-*"}},
    {"gateway": {"drainGrace": 0}},
    {"gateway": {"trustedProxies": ["sidecar"]}},
    {"gateway": {"adminHosts": "console.example.org"}},
    {"gateway": {"adminHosts": ["console.example.org:9464"]}},
    {"gateway": {"adminHosts": ["*"]}},
    {"gateway": {"logLevel": "info"}},
    {"gateway": {"extraSettings": {"LINGER": "1"}}},
    {"extraEnv": [{"name": "DIAL_GATEWAY_LINGER", "value": "1"}]},
    {"sharedState": {"url": "valkey.dialing.svc:6379"}},
    {"sharedState": {"url": "http://valkey.dialing.svc:6379"}},
    {"sharedState": {"url": "valkey://user:secret@valkey.dialing.svc:6379"}},
    {"sharedState": {"password": "secret"}},
    {"sharedState": {"prefix": "dial gateway"}},
    {"sharedState": {"timeout": 0}},
    {"sharedState": {"tls": {"enabled": True}}},
    {"networkPolicy": {"sharedStatePorts": []}},
    {"image": {"digest": "sha256:abc"}},
    {"image": {"pullPolicy": "Sometimes"}},
    {"aws": {"region": "Frankfurt"}},
    {"aws": {"roleArn": "dial-gateway"}},
    {"tls": {"enabled": True}},
    {"tls": {"requireClientCertificate": True}},
    {"service": {"port": 443}},
    {"topologySpread": {"zone": "Always"}},
    {"networkPolicy": {"callers": [{}]}},
    {"networkPolicy": {"callers": [{"podselector": {}}]}},
    {"networkPolicy": {"enabled": "no"}},
    {"autoscaling": {"cpuUtilization": 120}},
    {"autoscaling": {"streams": {"metric": "dial gateway"}}},
    {"serviceMonitor": {"interval": 15}},
    {"prometheusRule": {"runbook": ""}},
    {"prometheusRule": {"runbook": "https://example.com/runbook.md#top"}},
    {"prometheusRule": {"rules": []}},
    {"dashboard": {"labels": {"grafana_dashboard": 1}}},
    {"securityContext": {"privileged": True}},
]


def over(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return values with changes merged into them as helm merges them."""
    made = copy.deepcopy(values)
    for key, value in changes.items():
        inner = made.get(key)
        made[key] = over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return made


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_defaults_match_the_schema() -> None:
    jsonschema.validate(DEFAULTS, SCHEMA)


@pytest.mark.parametrize("path", sorted(chart.VALUES.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_the_examples_match_the_schema(path: Any) -> None:
    jsonschema.validate(over(DEFAULTS, yaml.safe_load(path.read_text())), SCHEMA)


@pytest.mark.parametrize("changes", WRONG, ids=json.dumps)
def test_a_wrong_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(over(DEFAULTS, changes), SCHEMA)


def test_every_object_of_ours_is_closed_and_every_default_is_named() -> None:
    def missing(schema: dict[str, Any], values: dict[str, Any], path: str) -> list[str]:
        fields = schema.get("properties")
        if fields is None:
            return []
        unnamed = [f"{path}.{key}" for key in values if key not in fields]
        open_ones = [path] if schema.get("additionalProperties") is not False else []
        inner = [
            fault
            for key, value in values.items()
            if isinstance(value, dict) and key in fields
            for fault in missing(fields[key], value, f"{path}.{key}")
        ]
        return unnamed + open_ones + inner

    assert missing(SCHEMA, DEFAULTS, "values") == []
