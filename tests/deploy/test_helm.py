"""The chart under helm itself, if helm is installed: which values it refuses, with which message."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

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
    "a shared state that no connection may reach": (
        {"sharedState.url": "valkey://valkey:6379"},
        "networkPolicy.sharedState: name the server",
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
    "one port for both": ({"adminPort": 50051}, "adminPort: 50051 is service.port as well"),
    "an unknown value": ({"quota.rate": 10}, "additional properties 'rate' not allowed"),
    "a wrong kind of value": ({"replicas": "two"}, "got string, want integer"),
}


def render(changes: Changes) -> str:
    assert HELM is not None
    return chart.render(HELM, *_json(changes))


def test_helm_is_the_version_that_is_pinned() -> None:
    """The Debian package and the Go sources, which can both provide helm, have the same version."""
    assert HELM is not None
    pinned = re.search(r"helm\.sh/helm/v4 v([\d.]+)", (manifests.TOOLS / "go.mod").read_text())
    told = subprocess.run(  # noqa: S603 - helm
        [str(HELM), "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=True
    )
    assert pinned is not None
    # A helm built by Go reports its version only as "v4.3".
    assert f"v{pinned[1]}".startswith(told.stdout)


@pytest.mark.parametrize(("changes", "why"), REFUSED.values(), ids=REFUSED)
def test_values_that_cannot_work_are_refused(changes: Changes, why: str) -> None:
    with pytest.raises(chart.ChartError) as refused:
        render(changes)

    assert why in str(refused.value)


def test_the_shortest_grace_that_works_is_accepted() -> None:
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
def test_the_drain_alert_fires_at_four_fifths_of_the_grace(grace: float, longest: str) -> None:
    rendered = render({"prometheusRule.enabled": True, "gateway.drainGrace": grace})

    assert f"max_over_time(dial_gateway_drain_elapsed_seconds[5m])) > {longest}\n" in rendered


def test_a_long_name_leaves_room_for_the_suffixes() -> None:
    rendered = render({"fullnameOverride": "a" * 60})

    assert f"name: {'a' * 53}-headless\n" in rendered


NULLABLE = {
    "gateway.streamMaxAge",
    "sharedState.timeout",
    "sharedState.longestOutage",
    "terminationGracePeriodSeconds",
    "autoscaling.cpuUtilization",
    "autoscaling.streams.average",
    "autoscaling.backlog.average",
    "resources.requests",
    "resources.limits",
}
"""Values for which null has a meaning: no limit, or a default elsewhere."""
FREE = ("resources.", "dashboard.labels.", "networkPolicy.callers.", "networkPolicy.monitoring.")
"""Values under these paths are passed on unchanged."""
EVERYTHING: Changes = {
    "sharedState.url": "valkey://valkey:6379",
    "networkPolicy.sharedState": [{"podSelector": {}}],
    "autoscaling.enabled": True,
    "autoscaling.streams.average": 100,
    "serviceMonitor.enabled": True,
    "prometheusRule.enabled": True,
    "dashboard.enabled": True,
}
EACH_HELM = pytest.mark.parametrize("helm", chart.helms(), ids=str)


def paths(values: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the path of each value and of each group of values."""
    for key, value in values.items():
        path = f"{before}{key}"
        if path.startswith(FREE) and path not in NULLABLE:
            continue
        yield path
        if isinstance(value, dict):
            yield from paths(value, f"{path}.")


PATHS = tuple(paths(yaml.safe_load((chart.CHART / "values.yaml").read_text())))


def nested(path: str, value: object) -> dict[str, Any]:
    """Return values in which only the one at `path` is set."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return cast("dict[str, Any]", value)


def _json(changes: Changes) -> list[str]:
    words = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
    return [part for word in words for part in ("--set-json", word)]


def fault_of_null(helm: Path, path: str, *arguments: str) -> str:
    """Return an error if the chart neither refuses a null by name nor gives it a meaning."""
    others = [
        word
        for name, value in EVERYTHING.items()
        if not name.startswith(path)
        for word in _json({name: value})
    ]
    try:
        rendered = chart.render(helm, *others, *arguments)
    except chart.ChartError as refused:
        said = str(refused)
        named = "schema" in said and path.rpartition(".")[2] in said and "nil pointer" not in said
        return "" if named and path not in NULLABLE else f"{path}: {said}"
    if path not in NULLABLE:
        return f"{path}: taken"
    # Alerts and dashboard contain texts in which "null" may occur.
    ours = [
        part for part in rendered.split("---\n") if "PrometheusRule" not in part and "dashboard" not in part
    ]
    bad = re.search(r"nil|: null$|:0\"|[pP]ort: 0?$", "".join(ours), re.MULTILINE)
    return f"{path}: {bad[0]}" if bad else ""


@EACH_HELM
def test_null_is_refused_by_name_or_has_a_meaning(helm: Path, tmp_path: Path) -> None:
    """No template sees a null, although some versions of helm drop null defaults and others keep them."""
    file = tmp_path / "values.yaml"
    faults = []
    for path in PATHS:
        file.write_text(yaml.safe_dump(nested(path, None)))
        faults.append(fault_of_null(helm, path, "--values", str(file)))
    faults += [
        fault_of_null(helm, path, "--set", f"{path}=null") for path in (*NULLABLE, "service.port", "aws")
    ]

    assert len(PATHS) > 80
    assert [fault for fault in faults if fault] == []


@EACH_HELM
def test_every_helm_renders_the_same(helm: Path) -> None:
    """Every installed version of helm gives the committed renderings."""
    for name, arguments in chart.renderings().items():
        assert chart.render(helm, *arguments) == chart.committed(name).read_text(), name


@EACH_HELM
def test_whole_numbers_of_a_file_stay_whole(helm: Path, tmp_path: Path) -> None:
    """A million in a file of values is rendered as 1000000, although helm reads numbers of files as floats.

    The gateway would not start with 1e+06.
    """
    file = tmp_path / "values.yaml"
    extra = {"DIAL_GATEWAY_REPLAY_LIMIT": 1_000_000, "DIAL_GATEWAY_LINGER": 0.5}
    gateway = {"extraSettings": extra, "queueLimit": 1_000_000, "streamMaxAge": 1_000_000}
    file.write_text(yaml.safe_dump({"gateway": gateway, "terminationGracePeriodSeconds": 1_000_000}))
    rendered = chart.render(helm, "--values", str(file))

    assert rendered.count('value: "1000000"') == 3
    assert 'value: "0.5"' in rendered
    assert "terminationGracePeriodSeconds: 1000000\n" in rendered
    assert "e+0" not in rendered
