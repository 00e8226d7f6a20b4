"""The manifests for Istio and Linkerd refer to existing pods, ports and services."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.api.server import SERVICES, Keepalive
from scripts import chart, manifests
from tests.deploy import rendered

ISTIO, LINKERD = chart.ROOT / "deploy" / "istio", chart.ROOT / "deploy" / "linkerd"
HEARTBEAT_S = Keepalive().every_s
HEALTH, REFLECTION = "grpc.health.v1.Health", "grpc.reflection.*"


def everything(folder: Path) -> list[manifests.Manifest]:
    return [manifest for path in sorted(folder.glob("*.yaml")) for manifest in manifests.read(path)]


def of_kind(folder: Path, kind: str) -> list[manifests.Manifest]:
    return [manifest for manifest in everything(folder) if manifest["kind"] == kind]


def one(folder: Path, kind: str) -> Any:
    (found,) = of_kind(folder, kind)
    return found["spec"]


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def services_of_the_contract() -> set[str]:
    """Return the services in protos/."""
    protos = (chart.ROOT / "protos").rglob("*.proto")
    found = [re.findall(r"^package (\S+);|^service (\w+)", path.read_text(), re.MULTILINE) for path in protos]
    return {f"{names[0][0]}.{service}" for names in found for _, service in names if service}


@pytest.mark.parametrize("manifest", [*everything(ISTIO), *everything(LINKERD)], ids=lambda m: str(m["kind"]))
def test_every_piece_is_in_the_namespace_of_the_gateways(manifest: manifests.Manifest) -> None:
    assert manifest["metadata"]["namespace"] == chart.NAMESPACE


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_every_selector_selects_the_gateways(mesh: str) -> None:
    labels = rendered.pod(mesh)["metadata"]["labels"].items()
    specs = [manifest["spec"] for manifest in everything(chart.ROOT / "deploy" / mesh)]
    selectors = [spec.get("selector") or spec.get("podSelector") for spec in specs]
    selected = [selector["matchLabels"] for selector in selectors if selector]

    assert len(selected) == 2
    assert all(each and each.items() <= labels for each in selected)


def test_istio_takes_mutual_tls_only() -> None:
    assert one(ISTIO, "PeerAuthentication")["mtls"] == {"mode": "STRICT"}
    assert one(ISTIO, "DestinationRule")["trafficPolicy"]["tls"] == {"mode": "ISTIO_MUTUAL"}


def test_istio_routes_to_the_service_that_has_an_address() -> None:
    balanced = rendered.all_of("istio", "Service")[0]
    host = f"{balanced['metadata']['name']}.{balanced['metadata']['namespace']}.svc.cluster.local"
    routed = one(ISTIO, "VirtualService")

    assert one(ISTIO, "DestinationRule")["host"] == host
    assert routed["hosts"] == [host]
    assert {route["route"][0]["destination"]["host"] for route in routed["http"]} == {host}
    ports = {route["route"][0]["destination"]["port"]["number"] for route in routed["http"]}
    assert ports == {port["port"] for port in balanced["spec"]["ports"]}


def test_istio_spreads_streams_by_how_many_are_open() -> None:
    balancer = one(ISTIO, "DestinationRule")["trafficPolicy"]["loadBalancer"]

    assert balancer == {"simple": "LEAST_REQUEST", "localityLbSetting": {"enabled": False}}


def test_istio_ends_no_stream_for_its_age_or_silence() -> None:
    (streams,) = [route for route in one(ISTIO, "VirtualService")["http"] if route["name"] == "streams"]
    pool = one(ISTIO, "DestinationRule")["trafficPolicy"]["connectionPool"]

    assert streams["timeout"] == "0s"
    assert streams["retries"] == {"attempts": 0}
    assert pool["http"]["maxRequestsPerConnection"] == 0
    assert "maxConnectionDuration" not in pool["tcp"]
    assert seconds(pool["http"]["idleTimeout"]) > 2 * HEARTBEAT_S


def test_istio_names_each_caller_and_what_it_may_call() -> None:
    policy = one(ISTIO, "AuthorizationPolicy")
    sources = [rule["from"][0]["source"]["principals"] for rule in policy["rules"]]
    paths = [
        path
        for rule in policy["rules"]
        for target in rule["to"]
        for path in target["operation"].get("paths", ())
    ]

    assert policy["action"] == "ALLOW"
    assert all("*" not in principal for principals in sources for principal in principals)
    named = {path.strip("/").partition("/")[0] for path in paths} - {"metrics"}
    assert named == {*services_of_the_contract(), HEALTH, REFLECTION}
    assert set(SERVICES) <= named


def test_the_gateway_trusts_only_the_sidecar() -> None:
    assert rendered.settings_of("istio")["DIAL_GATEWAY_TRUSTED_PROXIES"] == "127.0.0.6"
    trusting = [n for n in rendered.NAMES if "DIAL_GATEWAY_TRUSTED_PROXIES" in rendered.settings_of(n)]
    assert trusting == ["istio"]


@pytest.mark.parametrize(
    ("mesh", "annotation"),
    [
        ("istio", "sidecar.istio.io/nativeSidecar"),
        ("linkerd", "config.beta.linkerd.io/proxy-enable-native-sidecar"),
    ],
)
def test_the_proxy_outlives_the_drain(mesh: str, annotation: str) -> None:
    assert rendered.pod(mesh)["metadata"]["annotations"][annotation] == "true"


def test_linkerd_closes_both_ports_to_unlisted_callers() -> None:
    servers = of_kind(LINKERD, "Server")
    ports = {port["name"] for port in rendered.container("linkerd")["ports"]}

    assert {server["spec"]["port"] for server in servers} == ports
    assert {server["spec"]["accessPolicy"] for server in servers} == {"deny"}


def test_linkerd_refers_to_existing_resources_only() -> None:
    there = {
        (m["apiVersion"].partition("/")[0], m["kind"], m["metadata"]["name"]) for m in everything(LINKERD)
    }
    references = [
        (ref["group"], ref["kind"], ref["name"])
        for manifest in everything(LINKERD)
        for ref in (
            *manifest["spec"].get("parentRefs", ()),
            *manifest["spec"].get("requiredAuthenticationRefs", ()),
            *([manifest["spec"]["targetRef"]] if "targetRef" in manifest["spec"] else ()),
        )
    ]

    assert len(references) == 15
    assert set(references) <= there


def test_linkerd_has_a_route_for_every_service_and_path_and_each_is_authorized() -> None:
    methods = [
        match["method"]["service"]
        for route in of_kind(LINKERD, "GRPCRoute")
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    ]
    paths = [
        match["path"]["value"]
        for route in of_kind(LINKERD, "HTTPRoute")
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    ]
    routes = {m["metadata"]["name"] for m in everything(LINKERD) if m["kind"].endswith("Route")}
    allowed = {policy["spec"]["targetRef"]["name"] for policy in of_kind(LINKERD, "AuthorizationPolicy")}

    assert set(methods) == {*services_of_the_contract(), HEALTH}
    assert set(paths) == {"/livez", "/readyz", "/metrics"}
    assert allowed == routes


def test_linkerd_opens_only_the_probe_paths_to_anyone() -> None:
    open_to_anyone = {
        policy["spec"]["targetRef"]["name"]
        for policy in of_kind(LINKERD, "AuthorizationPolicy")
        if policy["spec"]["requiredAuthenticationRefs"][0]["kind"] == "NetworkAuthentication"
    }

    assert open_to_anyone == {"dial-gateway-health", "dial-gateway-probes"}


def test_nothing_sets_a_time_out_of_linkerd() -> None:
    words = [*everything(LINKERD), *rendered.documents("linkerd")]

    assert not any("timeout.linkerd.io" in str(word) for word in rendered.scalars(words))


def test_both_meshes_know_the_same_callers() -> None:
    istio = {
        tuple(principal.split("/")[2::2])
        for rule in one(ISTIO, "AuthorizationPolicy")["rules"]
        for principal in rule["from"][0]["source"]["principals"]
    }
    linkerd = {
        (ref["namespace"], ref["name"])
        for authentication in of_kind(LINKERD, "MeshTLSAuthentication")
        for ref in authentication["spec"]["identityRefs"]
    }

    assert istio == linkerd
