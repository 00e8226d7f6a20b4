"""The schema of the values accepts what the chart uses and refuses everything else."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scripts import chart
from tests.deploy import strict_schema

SCHEMA_PATH = chart.CHART / "values.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text())
VALUES = jsonschema.Draft7Validator(SCHEMA)
"""Made once: `jsonschema.validate` would check the whole schema again for each value."""
DEFAULTS: dict[str, Any] = yaml.safe_load((chart.CHART / "values.yaml").read_text())

WRONG: list[dict[str, Any]] = [
    {"replica": 3},
    {"replicaCount": 0},
    {"replicaCount": "2"},
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
    {"networkPolicy": {"callers": [{}]}},
    {"networkPolicy": {"callers": [{"podselector": {}}]}},
    {"networkPolicy": {"enabled": "no"}},
    {"autoscaling": {"targetCPUUtilizationPercentage": 120}},
    {"autoscaling": {"streams": {"metric": "dial gateway"}}},
    {"serviceMonitor": {"interval": 15}},
    {"prometheusRule": {"runbook": ""}},
    {"prometheusRule": {"runbook": "https://example.com/runbook.md#top"}},
    {"prometheusRule": {"rules": []}},
    {"dashboard": {"labels": {"grafana_dashboard": 1}}},
    {"fullnameOverride": "dial.gateway"},
    {"fullnameOverride": "2dial"},
    {"nameOverride": "dial_gateway"},
    {"nameOverride": "a" * 64},
    {"commonLabels": {"app.kubernetes.io/name": "x"}},
    {"commonLabels": {"team": "a team"}},
    {"commonLabels": {"team": "a" * 64}},
    {"commonLabels": {"-team": "a"}},
    {"podLabels": {"app.kubernetes.io/instance": "x"}},
    {"nodeSelector": {"zone": "a/b"}},
    {"podAnnotations": {"a b": "c"}},
    {"image": {"tag": "-1"}},
    {"image": {"repository": "Dial Gateway"}},
    {"image": {"registry": "https://registry.example.com"}},
    {"imagePullSecrets": [{}]},
    {"serviceAccount": {"name": "a..b"}},
    {"admin": {"tokenSecretKey": "a/b"}},
    {"sharedState": {"passwordSecretKey": ".."}},
    {"terminationGracePeriodSeconds": 86_401},
    {"autoscaling": {"streams": {"average": "0m"}}},
    {"autoscaling": {"minReplicas": 0}},
    {"podDisruptionBudget": {"maxUnavailable": 0}},
    {"extraEnv": [{"name": "A", "value": 5}]},
    {"extraEnv": [{"name": "A", "value": "5", "valueFrom": {"fieldRef": {}}}]},
    {"extraEnv": [{"name": "1 A", "value": "5"}]},
    {"extraEnv": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]},
    {"podSecurityContext": {"seccompProfile": {"type": "Localhost"}}},
    {"podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "x"}}},
    {"podSecurityContext": {"sysctls": [{"name": "a b", "value": "1"}]}},
    {"extraVolumes": [{"name": "Data", "emptyDir": {}}]},
    {"extraVolumes": [{"name": "data"}]},
    {"extraVolumes": [{"name": "data", "emptyDir": {}, "secret": {}}]},
    {"extraVolumeMounts": [{"name": "data", "mountPath": "data"}]},
    {"extraVolumeMounts": [{"name": "data"}]},
    {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
    {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]},
    {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "Always"}]},
    {
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}
        ]
    },
    {"tolerations": [{"operator": "Equal"}]},
    {"tolerations": [{"operator": "Exists", "value": "x"}]},
    {"tolerations": [{"key": "a", "tolerationSeconds": 5}]},
    {"tolerations": [{"key": "a", "effect": "Never"}]},
    {"affinity": {"nodes": {}}},
    {"resources": {"limits": {"memory": "1 GB"}}},
    {"resources": {"limits": {"memory": -1}}},
    {"resources": {"requests": {"cpu": "0.0001"}}},
    {"resources": {"requests": {"disk": 1}}},
    {"resources": {"claims": [{"name": "gpu"}]}},
    {"podSecurityContext": {"runAsUser": 0}},
    {"podSecurityContext": {"privileged": False}},
    {"securityContext": {"privileged": True}},
    {"service": {"type": "ExternalName"}},
    {"service": {"nodePort": 70_000}},
    {"service": {"loadBalancerSourceRanges": ["10.0.0.0"]}},
    {"ingress": {"hosts": [{"host": "10.0.0.300/8"}]}},
    {"ingress": {"hosts": [{"host": "a.example.org", "paths": [{"path": "x", "pathType": "Prefix"}]}]}},
    {"ingress": {"hosts": [{"host": "a.example.org", "paths": [{"path": "/"}]}]}},
    {"httpRoute": {"hostnames": ["console.example.org:443"]}},
    {"httpRoute": {"parentRefs": [{}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "10.0.0.0"}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "10.0.0.256/8"}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "10.0.0.0/33"}]}},
    {"networkPolicy": {"callers": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}},
    {"networkPolicy": {"callers": [{"podSelector": {"matchLabels": {"a": True}}}]}},
    {"networkPolicy": {"callers": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}},
    {"networkPolicy": {"extraEgress": [{"ports": [{"port": 0}]}]}},
    {"networkPolicy": {"extraEgress": [{"ports": [{"port": "http", "endPort": 90}]}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "::1:2:/64"}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "1:2:3:4:5:6:7:8:9/64"}]}},
    {"ingress": {"hosts": [{"host": "10.0.0.1"}]}},
    {"ingress": {"hosts": [{"host": "a.example.org", "paths": [{"path": "/a/../b", "pathType": "Exact"}]}]}},
    {"ingress": {"hosts": [{"host": "a.example.org", "paths": [{"path": "/a//b", "pathType": "Prefix"}]}]}},
    {"serviceMonitor": {"interval": "0s"}},
    {"prometheusRule": {"alerts": {"DialGatewayLoopLag": {"threshold": 0}}}},
    {"prometheusRule": {"alerts": {"DialGatewayLoopLag": {"for": "5 minutes"}}}},
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


SCHEMAS = [SCHEMA_PATH, *sorted((chart.ROOT / "docs").glob("*.schema.json"))]


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: str(path.name))
def test_strict_readers_accept_the_schema(path: Path) -> None:
    assert list(strict_schema.faults(json.loads(path.read_text()))) == []


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "object", "if": {"required": ["a"]}}, "#/if: a is required, and not among the properties"),
        (
            {"type": "object", "then": {"properties": {"a": {"minLength": 1}}}},
            "#/then/properties/a: minLength",
        ),
        ({"anyOf": [{"maximum": 1}]}, "#/anyOf/0: maximum without the type number"),
        ({"type": "array", "items": {"items": {}}}, "#/items: items without the type array"),
    ],
)
def test_what_strict_readers_refuse_is_found(schema: dict[str, Any], fault: str) -> None:
    (found,) = strict_schema.faults(schema)
    assert found.startswith(fault)


def test_the_defaults_match_the_schema() -> None:
    VALUES.validate(DEFAULTS)


@pytest.mark.parametrize("path", sorted(chart.VALUES.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_the_examples_match_the_schema(path: Any) -> None:
    VALUES.validate(over(DEFAULTS, yaml.safe_load(path.read_text())))


@pytest.mark.parametrize("changes", WRONG, ids=json.dumps)
def test_a_wrong_value_is_refused(changes: dict[str, Any]) -> None:
    assert not VALUES.is_valid(over(DEFAULTS, changes))


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


RIGHT: list[dict[str, Any]] = [
    {"fullnameOverride": "dialing"},
    {"commonLabels": {"example.org/team": "outbound_1.a"}},
    {"image": {"registry": "localhost:5000", "repository": "team/dial-gateway", "tag": "1.2_3"}},
    {"image": {"repository": "registry.example.com:5000/team/dial-gateway"}},
    {"extraEnv": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
    {"extraVolumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "x"}}]},
    {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/x.json"}}},
    {"podSecurityContext": {"sysctls": [{"name": "net.ipv4.tcp_keepalive_time", "value": "60"}]}},
    {"tolerations": [{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoSchedule"}]},
    {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]},
    {"resources": {"requests": {"cpu": 0.25, "ephemeral-storage": "1Gi"}, "limits": {"cpu": "1500m"}}},
    {"networkPolicy": {"callers": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "fd00:ec2::/32"}, {"cidr": "::/0"}, {"cidr": "::1/128"}]}},
    {"networkPolicy": {"awsNetworks": [{"cidr": "1:2:3:4:5:6:7:8/128"}, {"cidr": "1:2::7:8/64"}]}},
    {"autoscaling": {"streams": {"average": "1500m"}}},
    {"service": {"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb"}},
]


@pytest.mark.parametrize("changes", RIGHT, ids=json.dumps)
def test_a_right_value_is_accepted(changes: dict[str, Any]) -> None:
    VALUES.validate(over(DEFAULTS, changes))


def described() -> set[str]:
    """Return the paths of the values that have a row in the chart's page."""
    return set(re.findall(r"^\| ([\w.]+) \| \w+ \|", chart.PAGE.read_text(), re.MULTILINE))


def test_the_page_of_the_chart_describes_every_value() -> None:
    def undescribed(values: dict[str, Any], before: str = "") -> list[str]:
        missing = []
        for key, value in values.items():
            path = f"{before}{key}"
            if path not in described():
                inner = undescribed(value, f"{path}.") if isinstance(value, dict) and value else [path]
                missing += inner
        return missing

    assert undescribed(DEFAULTS) == []
    assert not re.search(r"\|\s*\|$", chart.PAGE.read_text(), re.MULTILINE)
