"""The chart under helm itself, where it is at hand: what it refuses, and that it says why."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from scripts import chart, manifests

HELM = chart.find_helm()
pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not at hand: scripts/helm.sh brings it")

Changes = dict[str, Any]
ROLE = "arn:aws:iam::111122223333:role/dial-gateway"
REFUSED: dict[str, tuple[Changes, str]] = {
    "a grace shorter than the drain": (
        {"terminationGracePeriodSeconds": 34},
        "34 would kill a gateway that still drains; preStopSeconds + gateway.drainGrace + 5 are 35",
    ),
    "a drain longer than the grace": (
        {"terminationGracePeriodSeconds": 40, "gateway.drainGrace": 30.5},
        "preStopSeconds + gateway.drainGrace + 5 are 41",
    ),
    "a pause that eats the grace": (
        {"terminationGracePeriodSeconds": 40, "preStopSeconds": 20},
        "preStopSeconds + gateway.drainGrace + 5 are 50",
    ),
    "more replicas than calls in the burst": (
        {"replicas": 11},
        "10 calls at once are less than one for each of 11 replicas",
    ),
    "a surge that would exceed the burst": ({"replicas": 10, "strategy.maxSurge": 1}, "each of 11 replicas"),
    "a rate of nothing for each": (
        {"quota.callRate": 0.001},
        "0.001 calls a second leave nothing for each of 2 replicas",
    ),
    "no way to replace a pod": ({"strategy.maxUnavailable": 0}, "no pod can be replaced"),
    "a setting that the chart makes": (
        {"gateway.extraSettings": {"DIAL_GATEWAY_CALL_RATE": "10"}},
        "the chart sets DIAL_GATEWAY_CALL_RATE itself",
    ),
    "two policies": ({"policy": {"document": "x", "existingConfigMap": "y"}}, "not both"),
    "a policy that could know nobody": (
        {"policy.existingConfigMap": "x"},
        "no caller could have an identity",
    ),
    "an autoscaler upside down": (
        {"autoscaling.enabled": True, "autoscaling.minReplicas": 6},
        "maxReplicas is less than minReplicas",
    ),
    "an autoscaler that looks at nothing": (
        {"autoscaling.enabled": True, "autoscaling.cpuUtilization": None},
        "give cpuUtilization",
    ),
    "a role on an account of others": (
        {"serviceAccount": {"create": False, "name": "x"}, "aws.roleArn": ROLE},
        "annotate the ServiceAccount where it is made",
    ),
    "an account without a name": ({"serviceAccount.create": False}, "name the account"),
    "an unknown value": ({"quota.rate": 10}, "additional properties 'rate' not allowed"),
    "a wrong kind of value": ({"replicas": "two"}, "got string, want integer"),
}


def render(changes: Changes) -> str:
    assert HELM is not None
    words = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
    return chart.render(HELM, *(part for word in words for part in ("--set-json", word)))


def test_helm_is_the_version_that_is_pinned() -> None:
    """The package and the Go sources, of which either may bring helm, are of one version."""
    assert HELM is not None
    pinned = re.search(r"helm\.sh/helm/v4 v([\d.]+)", (manifests.TOOLS / "go.mod").read_text())
    told = subprocess.run(  # noqa: S603 - helm
        [str(HELM), "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=True
    )
    assert pinned is not None
    # What Go builds knows no more of its version than "v4.3".
    assert f"v{pinned[1]}".startswith(told.stdout)


@pytest.mark.parametrize(("changes", "why"), REFUSED.values(), ids=REFUSED)
def test_values_that_cannot_go_well_are_refused(changes: Changes, why: str) -> None:
    with pytest.raises(chart.ChartError) as refused:
        render(changes)

    assert why in str(refused.value)


def test_the_shortest_grace_that_goes_well_is_taken() -> None:
    assert "terminationGracePeriodSeconds: 35\n" in render({"terminationGracePeriodSeconds": 35})


def test_a_grace_that_is_not_given_follows_the_drain() -> None:
    rendered = render({"gateway.drainGrace": 59.5})

    assert "terminationGracePeriodSeconds: 75\n" in rendered
    assert 'DRAIN_GRACE\n              value: "59.5"' in rendered


def test_parts_are_rounded_down() -> None:
    rendered = render({"replicas": 3, "quota.callRate": 20})

    assert 'CALL_RATE\n              value: "6.666"' in rendered
    assert 'CALL_BURST\n              value: "3"' in rendered


def test_no_limit_stays_no_limit() -> None:
    assert 'CALL_RATE\n              value: "0"' in render({"quota.callRate": 0})


def test_large_numbers_are_written_as_the_gateway_reads_them() -> None:
    rendered = render({"gateway.queueBytes": 1 << 40, "gateway.queueLimit": 100_000_000})

    assert f'QUEUE_BYTES\n              value: "{1 << 40}"' in rendered
    assert 'QUEUE_LIMIT\n              value: "100000000"' in rendered


def test_names_of_the_admin_port_are_written_as_a_list() -> None:
    name = "DIAL_GATEWAY_ADMIN_HOSTS"
    rendered = render({"gateway.adminHosts": ["console.example.org", "*.corp.example.org"]})

    assert f'{name}\n              value: "console.example.org,*.corp.example.org"' in rendered
    assert name not in render({})


def test_a_policy_in_the_values_becomes_a_file() -> None:
    text = "callers:\n  - name: x\n"
    values = {"policy.document": text, "gateway.trustedProxies": ["127.0.0.6"]}
    rendered = [document for document in yaml.safe_load_all(render(values)) if document]
    (policy,) = [document for document in rendered if document["kind"] == "ConfigMap"]
    (deployment,) = [document for document in rendered if document["kind"] == "Deployment"]
    volumes = deployment["spec"]["template"]["spec"]["volumes"]

    assert policy["data"] == {"policy.yaml": text}
    assert policy["metadata"]["name"] in [volume.get("configMap", {}).get("name") for volume in volumes]
    assert [manifests.kubernetes_fault(policy, v) for v in manifests.kubernetes_versions()] == [None] * 3


@pytest.mark.parametrize(("grace", "longest"), [(25, "20"), (60, "48"), (12.5, "10")])
def test_a_drain_is_slow_at_four_fifths_of_its_grace(grace: float, longest: str) -> None:
    rendered = render({"prometheusRule.enabled": True, "gateway.drainGrace": grace})

    assert f"max_over_time(dial_gateway_drain_elapsed_seconds[5m])) > {longest}\n" in rendered


def test_a_long_name_leaves_room_for_the_suffixes() -> None:
    rendered = render({"fullnameOverride": "a" * 60})

    assert f"name: {'a' * 53}-headless\n" in rendered


def test_the_renderings_that_are_committed_are_what_helm_renders() -> None:
    assert HELM is not None
    for name, arguments in chart.renderings().items():
        assert chart.render(HELM, *arguments) == chart.committed(name).read_text(), name
