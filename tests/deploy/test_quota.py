"""Replicas share the quota through a shared state, or have parts of it that together never exceed it."""

import pytest

from scripts import chart, manifests
from tests.deploy import rendered


def max_at_once(name: str) -> int:
    """Return how many gateways the manifests allow to run at the same time."""
    spec = rendered.one(name, "Deployment")["spec"]
    for autoscaler in rendered.all_of(name, "HorizontalPodAutoscaler"):
        return int(autoscaler["spec"]["maxReplicas"])
    return int(spec["replicas"] + spec["strategy"]["rollingUpdate"]["maxSurge"])


def parts(name: str) -> int:
    """Return into how many parts the quota is divided."""
    return 1 if "DIAL_GATEWAY_SHARED_STATE_URL" in rendered.settings_of(name) else max_at_once(name)


def quota(name: str) -> dict[str, float]:
    files = [chart.CHART / "values.yaml", chart.VALUES / f"{name}.yaml"]
    given = [manifests.read(file)[0].get("quota", {}) for file in files if file.exists()]
    return {key: value for values in given for key, value in values.items()}


@pytest.mark.parametrize("name", rendered.NAMES)
def test_the_parts_of_all_replicas_are_the_quota_and_no_more(name: str) -> None:
    settings = rendered.settings_of(name)
    rate = float(settings["DIAL_GATEWAY_CALL_RATE"]) * parts(name)
    burst = int(settings["DIAL_GATEWAY_CALL_BURST"]) * parts(name)

    assert 0.99 * quota(name)["callRate"] < rate <= quota(name)["callRate"]
    assert quota(name)["callBurst"] - parts(name) < burst <= quota(name)["callBurst"]


def test_both_ways_to_use_the_quota_are_rendered() -> None:
    assert {name for name in rendered.NAMES if parts(name) == 1 < max_at_once(name)} == {
        "autoscaling",
        "production",
    }
    assert parts("default") == 2


def test_the_autoscaler_owns_the_number_of_replicas() -> None:
    deployment = rendered.one("autoscaling", "Deployment")
    autoscaler = rendered.one("autoscaling", "HorizontalPodAutoscaler")["spec"]

    assert "replicas" not in deployment["spec"]
    assert autoscaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert max_at_once("autoscaling") == 4


def test_the_autoscaler_counts_streams_and_the_cpu_of_the_gateway_alone() -> None:
    metrics = rendered.one("autoscaling", "HorizontalPodAutoscaler")["spec"]["metrics"]

    assert [metric["type"] for metric in metrics] == ["ContainerResource", "Pods"]
    assert metrics[0]["containerResource"]["container"] == rendered.container("autoscaling")["name"]
    assert metrics[1]["pods"]["metric"]["name"] == "dial_gateway_streams_open"


def test_there_is_no_autoscaler_by_default() -> None:
    assert rendered.all_of("default", "HorizontalPodAutoscaler") == []
