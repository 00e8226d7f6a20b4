"""The renderings of the chart, one for each file of values under deploy/values."""

import json
from math import ceil
from typing import Any

import pytest
import yaml

from scripts import alerts, chart, dashboard
from tests.deploy import rendered
from tests.packaging.dockerfile import stages

IMAGE = stages(chart.ROOT / "Dockerfile")[-1]
EACH = pytest.mark.parametrize("name", rendered.NAMES)
LAST_STEPS_S = 5
"""Seconds that a gateway may take after its drain to read the last answers and export the last spans."""


def probes(name: str) -> dict[str, dict[str, Any]]:
    container = rendered.container(name)
    return {kind: container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}


@EACH
def test_the_pod_is_not_killed_before_it_has_drained(name: str) -> None:
    spec = rendered.pod(name)["spec"]
    pause = rendered.container(name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(rendered.settings_of(name)["DIAL_GATEWAY_DRAIN_GRACE"])

    assert spec["terminationGracePeriodSeconds"] >= pause + ceil(drain) + LAST_STEPS_S


@EACH
def test_a_rollout_replaces_one_gateway_at_a_time(name: str) -> None:
    deployment = rendered.one(name, "Deployment")["spec"]

    assert deployment["minReadySeconds"] >= rendered.pod(name)["spec"]["terminationGracePeriodSeconds"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}


@EACH
def test_the_container_can_do_nothing_but_run_the_gateway(name: str) -> None:
    container = rendered.container(name)["securityContext"]
    pod = rendered.pod(name)["spec"]["securityContext"]

    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["privileged"] is False
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not rendered.pod(name)["spec"].keys() & {"hostNetwork", "hostPID", "hostIPC"}


@EACH
def test_it_runs_as_the_user_of_the_image_and_can_write_its_work_folder(name: str) -> None:
    pod = rendered.pod(name)["spec"]["securityContext"]
    mounts = {mount["mountPath"]: mount["name"] for mount in rendered.container(name)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in rendered.pod(name)["spec"]["volumes"]}

    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == IMAGE.one("USER")
    assert "emptyDir" in volumes[mounts[IMAGE.one("WORKDIR")]]


@EACH
def test_the_pod_carries_no_token_of_kubernetes_and_no_variables_of_services(name: str) -> None:
    spec = rendered.pod(name)["spec"]

    assert spec["automountServiceAccountToken"] is False
    assert rendered.one(name, "ServiceAccount")["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False


@EACH
def test_probes_check_liveness_and_readiness_on_the_admin_port(name: str) -> None:
    asked = probes(name)

    assert asked["liveness"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert asked["readiness"]["httpGet"] == {"path": "/readyz", "port": "admin"}


def test_the_startup_probe_uses_grpc_if_the_kubelet_supports_it() -> None:
    assert probes("default")["startup"]["grpc"] == {"port": 50051}
    assert probes("production")["startup"]["httpGet"] == {"path": "/livez", "port": "admin"}


@EACH
def test_the_container_listens_on_its_declared_ports(name: str) -> None:
    ports = {port["name"]: port["containerPort"] for port in rendered.container(name)["ports"]}
    settings = rendered.settings_of(name)

    assert settings["DIAL_GATEWAY_LISTEN"] == f"0.0.0.0:{ports['grpc']}"
    assert settings["DIAL_GATEWAY_ADMIN_LISTEN"] == f"0.0.0.0:{ports['admin']}"


@EACH
def test_one_service_has_an_address_and_the_other_those_of_the_pods(name: str) -> None:
    balanced, headless, *_ = rendered.all_of(name, "Service")

    assert "clusterIP" not in balanced["spec"]
    assert headless["spec"]["clusterIP"] == "None"
    for service in (balanced, headless):
        grpc = service["spec"]["ports"][0]
        assert (grpc["name"], grpc["targetPort"], grpc["appProtocol"]) == ("grpc", "grpc", "grpc")


@EACH
def test_every_selector_selects_the_pods(name: str) -> None:
    labels = rendered.pod(name)["metadata"]["labels"].items()
    selectors = [
        rendered.one(name, "Deployment")["spec"]["selector"]["matchLabels"],
        *(service["spec"]["selector"] for service in rendered.all_of(name, "Service")),
        *(policy["spec"]["podSelector"]["matchLabels"] for policy in rendered.all_of(name, "NetworkPolicy")),
        *(
            budget["spec"]["selector"]["matchLabels"]
            for budget in rendered.all_of(name, "PodDisruptionBudget")
        ),
        *(
            spread["labelSelector"]["matchLabels"]
            for spread in rendered.pod(name)["spec"]["topologySpreadConstraints"]
        ),
    ]

    assert len(selectors) >= 5
    assert all(selector and selector.items() <= labels for selector in selectors)


@EACH
def test_pods_spread_over_zones_and_nodes(name: str) -> None:
    spread = rendered.pod(name)["spec"]["topologySpreadConstraints"]

    assert {constraint["topologyKey"] for constraint in spread} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }


def test_draining_a_node_evicts_one_gateway_at_a_time() -> None:
    budget = rendered.one("production", "PodDisruptionBudget")["spec"]

    assert budget["maxUnavailable"] == 1


def test_metrics_are_read_once_from_each_pod() -> None:
    monitor = rendered.one("production", "ServiceMonitor")["spec"]
    selected = [
        service
        for service in rendered.all_of("production", "Service")
        if monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]
    (endpoint,) = monitor["endpoints"]

    assert len(selected) == 1
    assert endpoint["port"] in {port["name"] for port in selected[0]["spec"]["ports"]}


def test_the_alerts_are_those_of_the_file_with_the_runbook_where_the_values_say() -> None:
    runbook = yaml.safe_load((chart.VALUES / "production.yaml").read_text())["prometheusRule"]["runbook"]
    text = alerts.RULES.read_text().replace("docs/runbook.md#", f"{runbook}#")

    assert rendered.one("production", "PrometheusRule")["spec"] == yaml.safe_load(text)


def test_the_dashboard_is_that_of_the_file() -> None:
    (configured,) = rendered.all_of("production", "ConfigMap")

    assert json.loads(configured["data"]["dial-gateway.json"]) == dashboard.dashboard()
    assert configured["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_role_is_named_on_the_account() -> None:
    account = rendered.one("production", "ServiceAccount")["metadata"]

    assert account["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")
    assert rendered.pod("production")["spec"]["serviceAccountName"] == account["name"]


@pytest.mark.parametrize("name", sorted({*rendered.NAMES} - {"local"}))
def test_no_network_rule_allows_every_source(name: str) -> None:
    policy = rendered.one(name, "NetworkPolicy")["spec"]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("from") and rule.get("ports") for rule in policy["ingress"])
    assert all({} not in rule["from"] for rule in policy["ingress"])
    assert all(rule.get("to") and rule.get("ports") for rule in policy["egress"])


def test_only_the_local_rendering_uses_the_simulator() -> None:
    assert rendered.container("local")["args"] == ["serve", "--simulator"]
    assert all("args" not in rendered.container(name) for name in rendered.NAMES if name != "local")


@EACH
def test_a_pod_that_becomes_ready_late_does_not_fail_the_rollout(name: str) -> None:
    deployment = rendered.one(name, "Deployment")["spec"]

    assert deployment["progressDeadlineSeconds"] > deployment["minReadySeconds"]


def test_the_admin_port_is_on_no_service_that_can_be_reached_from_outside() -> None:
    services = [service["spec"] for service in rendered.all_of("console-gateway", "Service")]
    outside = [service for service in services if service["type"] != "ClusterIP"]

    assert [port["name"] for service in outside for port in service["ports"]] == ["grpc"]
    assert any(port["name"] == "admin" for service in services for port in service["ports"])


def test_every_template_except_policy_and_guard_is_in_a_rendering() -> None:
    templates = {path.name for path in (chart.CHART / "templates").glob("*.yaml")}
    rendered_texts = "".join(chart.committed(name).read_text() for name in rendered.NAMES)

    assert {name for name in templates if f"templates/{name}" not in rendered_texts} == {
        "policy.yaml",
        "guard.yaml",
    }
