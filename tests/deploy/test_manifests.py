"""The checks of manifests refuse what a cluster would refuse or silently drop."""

import copy
from typing import Any

import pytest

from scripts import check_deploy, manifests
from tests.deploy import rendered

CRD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "host": {"type": "string"},
                "ports": {
                    "type": "array",
                    "items": {"properties": {"n": {"type": "integer"}}},
                },
                "free": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}},
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "none": {"type": "string", "nullable": True},
            },
            "oneOf": [{"required": ["host"], "properties": {"host": {}}}, {"required": ["free"]}],
        }
    },
}


def resource(spec: dict[str, Any]) -> manifests.Manifest:
    return {"apiVersion": "example/v1", "kind": "Example", "spec": spec}


def fault(spec: dict[str, Any]) -> str | None:
    schema = manifests.closed(CRD)
    schema["properties"] |= {"apiVersion": True, "kind": True}
    return manifests.custom_fault(resource(spec), {("example/v1", "Example"): schema})


def test_three_versions_are_checked() -> None:
    versions = manifests.kubernetes_versions()

    assert len(versions) == len(set(versions)) == 3
    assert versions == sorted(versions, key=lambda version: int(version.split(".")[1]))


@pytest.mark.parametrize("version", manifests.kubernetes_versions())
def test_an_unknown_field_of_a_deployment_is_found(version: str) -> None:
    deployment = copy.deepcopy(rendered.one("default", "Deployment"))
    assert manifests.kubernetes_fault(deployment, version) is None

    deployment["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}

    assert "readyProbe" in str(manifests.kubernetes_fault(deployment, version))


def test_a_kind_that_kubernetes_no_longer_has_is_found() -> None:
    old = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}}

    assert "policy/v1beta1" in str(manifests.kubernetes_fault(old, "1.37"))


def test_an_unknown_field_of_a_custom_resource_is_found_at_any_depth() -> None:
    assert fault({"host": "a", "ports": [{"n": 1}]}) is None
    assert "typo" in str(fault({"host": "a", "typo": 1}))
    assert "$.spec.ports[0]" in str(fault({"host": "a", "ports": [{"m": 1}]}))


def test_fields_that_a_crd_leaves_open_are_accepted() -> None:
    assert fault({"free": {"a": "b", "more": 1}}) is None
    assert fault({"host": "a", "none": None}) is None


def test_combined_rules_of_a_crd_are_checked() -> None:
    assert fault({"host": "a", "free": {}}) is not None


def test_our_own_schemas_are_of_kinds_that_are_used() -> None:
    used = {(m["apiVersion"], m["kind"]) for _, m in check_deploy.all_manifests()}

    assert set(manifests.our_schemas()) <= used


@pytest.mark.parametrize("kind", manifests.our_schemas(), ids=lambda kind: str(kind[1]))
def test_our_own_schemas_refuse_an_unknown_field(kind: tuple[str, str]) -> None:
    schemas = manifests.our_schemas()
    first = next(m for _, m in check_deploy.all_manifests() if (m["apiVersion"], m["kind"]) == kind)
    wrong = copy.deepcopy(first)
    wrong["spec"]["typo"] = 1

    assert manifests.custom_fault(first, schemas) is None
    assert "typo" in str(manifests.custom_fault(wrong, schemas))
