"""Generates the schema of the chart's values and its table of settings: `python -m scripts.values_schema`.

Names, types and ranges of settings come from `gateway.settings`, and the names of alerts from their rules.
"""

import dataclasses
import json
import sys
from typing import Any

from gateway.settings import CONFIG, PREFIX, Kind, Settings
from scripts import alerts
from scripts import kubernetes_terms as k8s
from scripts.chart import CHART, ROOT

SCHEMA = CHART / "values.schema.json"
SETTINGS = CHART / "files" / "settings.json"

OWN = {
    "listen": "service.port",
    "admin_listen": "adminPort",
    "admin_hosts": "gateway.adminHosts",
    "connect_api": "gateway.connectApi",
    "connect_api_by_campaign": "gateway.connectApiByCampaign",
    "call_rate": "quota.callRate",
    "call_burst": "quota.callBurst",
    "max_concurrent_calls": "gateway.maxConcurrentCalls",
    "stream_window": "gateway.streamWindow",
    "queue_limit": "gateway.queueLimit",
    "queue_bytes": "gateway.queueBytes",
    "drain_grace": "gateway.drainGrace",
    "stream_max_age": "gateway.streamMaxAge",
    "log_level": "gateway.logLevel",
    "log_format": "gateway.logFormat",
    "trusted_proxies": "gateway.trustedProxies",
    "tls_cert_file": "tls.secretName",
    "tls_key_file": "tls.secretName",
    "tls_client_ca_file": "tls.clientCaSecretName",
    "policy_file": "policy.document or policy.existingConfigMap",
    "admin_token_file": "admin.tokenSecretName",
    "guard_file": "guard.document or guard.existingConfigMap",
    "guard_key_file": "guard.keySecretName",
    "guard_audit_file": "guard.audit.volume",
    "guard_audit_file_bytes": "guard.audit.fileBytes",
    "guard_audit_files": "guard.audit.files",
    "guard_audit_otlp": "guard.audit.otlp",
    "guard_audit_required": "guard.audit.required",
    "suppression_file": "guard.suppressions.volume",
    "shared_state_url": "sharedState.url",
    "shared_state_prefix": "sharedState.prefix",
    "shared_state_timeout": "sharedState.timeout",
    "shared_state_longest_outage": "sharedState.longestOutage",
    "shared_state_password": "sharedState.passwordSecretName",
    "shared_state_password_file": "sharedState.passwordSecretName",
    "shared_state_fingerprint_key_file": "sharedState.fingerprintKeySecretName",
    "shared_state_tls_ca_file": "sharedState.tls.caSecretName",
    "shared_state_tls_cert_file": "sharedState.tls.clientCertificateSecretName",
    "shared_state_tls_key_file": "sharedState.tls.clientCertificateSecretName",
    "replica": "the name of the pod",
}
"""The settings that the chart passes to the gateway, each with the value that it comes from."""

_AS_TEXT = {"number": r"[0-9]+(\.[0-9]+)?", "integer": "[0-9]+"}
_AVERAGE = k8s.fields(
    "metric", metric=k8s.text("[a-zA-Z_:][a-zA-Z0-9_:]*"), average=k8s.nullable(k8s.POSITIVE)
)
_SECONDS_OF_A_POD = 86_400


def kinds() -> dict[str, Kind]:
    """Return the kind of each setting by its field."""
    return {field.name: field.metadata["kind"] for field in dataclasses.fields(Settings)}


def settings_table() -> dict[str, dict[str, Any]]:
    """Return what the templates need about each setting: its rule, its schema, and the value that sets it."""
    table: dict[str, dict[str, Any]] = {}
    for name, kind in kinds().items():
        own = {"own": OWN[name]} if name in OWN else {}
        table[PREFIX + name.upper()] = {"rule": kind.rule, "schema": dict(kind.schema), **own}
    return table


def schema() -> k8s.Schema:
    """Return the schema of all values."""
    values = _values()
    optional = {"terminationGracePeriodSeconds"}
    known = {"global": {"type": "object", "description": "Helm's own, for charts above this one."}}
    renamed = {
        name: {"description": "Renamed; the chart names the new value."}
        for name in ("replicas", "topologySpread")
    }
    needed = (name for name in values if name not in optional)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart dial-gateway",
        **k8s.with_definitions(k8s.fields(*needed, **values, **known, **renamed)),
    }


def written() -> dict[Any, str]:
    """Return the text of each generated file by its path."""
    made = {SCHEMA: schema(), SETTINGS: settings_table()}
    return {path: json.dumps(content, indent=2) + "\n" for path, content in made.items()}


def _values() -> dict[str, k8s.Schema]:
    return _names() | _image() | _replicas() | _gateway() | _pod() | _access() | _network() | _monitoring()


def _setting(name: str) -> k8s.Schema:
    return dict(kinds()[name].schema)


def _group(*optional: str, **known: k8s.Schema) -> k8s.Schema:
    """Return the schema of a group of values.

    The optional ones are those for which null has a meaning, since helm drops them.
    """
    return k8s.fields(*(name for name in known if name not in optional), **known)


def _names() -> dict[str, k8s.Schema]:
    return {
        "nameOverride": k8s.SERVICE_NAME,
        "fullnameOverride": k8s.SERVICE_NAME,
        "commonLabels": k8s.LABELS,
        "commonAnnotations": k8s.ANNOTATIONS,
    }


def _image() -> dict[str, k8s.Schema]:
    part = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
    return {
        "image": _group(
            registry=k8s.text(r"([a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]{1,5})?(/[-a-z0-9._]+)*/?)?"),
            repository=k8s.text(
                rf"([a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]{{1,5}})?/)?{part}(/{part})*", maxLength=255
            ),
            tag=k8s.text("([a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127})?"),
            digest=k8s.text("(sha256:[0-9a-f]{64})?"),
            pullPolicy=k8s.one_of("Always", "IfNotPresent", "Never"),
        ),
        "imagePullSecrets": k8s.listed(k8s.fields("name", name={**k8s.NAME, "minLength": 1})),
        "simulator": k8s.SWITCH,
    }


def _replicas() -> dict[str, k8s.Schema]:
    autoscaling = _group(
        "targetCPUUtilizationPercentage",
        "cpuUtilization",
        enabled=k8s.SWITCH,
        minReplicas=k8s.integer(1, 1000),
        maxReplicas=k8s.integer(1, 1000),
        targetCPUUtilizationPercentage=k8s.nullable(k8s.integer(1, 100)),
        streams=_AVERAGE,
        backlog=_AVERAGE,
        cpuUtilization={"description": "Renamed to targetCPUUtilizationPercentage."},
    )
    return {
        "replicaCount": k8s.integer(1, 1000),
        "quota": _group(callRate=_setting("call_rate"), callBurst=_setting("call_burst")),
        "autoscaling": autoscaling,
        "strategy": _group(maxUnavailable=k8s.integer(0, 1000), maxSurge=k8s.integer(0, 1000)),
        "podDisruptionBudget": _group(enabled=k8s.SWITCH, maxUnavailable=k8s.integer(1, 1000)),
    }


def _gateway() -> dict[str, k8s.Schema]:
    own = {
        path.partition(".")[2]: _setting(name) for name, path in OWN.items() if path.startswith("gateway.")
    }
    own["streamMaxAge"] = k8s.nullable(own["streamMaxAge"])
    own["trustedProxies"] = k8s.listed(k8s.text("[0-9a-fA-F:.]+(/[0-9]{1,3})?"))
    own["adminHosts"] = k8s.listed(k8s.text(r"(\*\.)?[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?"))
    url = "((valkey|valkeys|redis|rediss)([+](sentinel|cluster))?://([^:@/\\s]+@)?[^@\\s]+)?"
    shared = _group(
        "timeout",
        "longestOutage",
        url=k8s.text(url, description="Without a password: it has a Secret of its own."),
        passwordSecretName=k8s.NAME,
        passwordSecretKey=k8s.SECRET_KEY,
        fingerprintKeySecretName=k8s.NAME,
        fingerprintKeySecretKey=k8s.SECRET_KEY,
        tls=_group(caSecretName=k8s.NAME, clientCertificateSecretName=k8s.NAME),
        prefix=_setting("shared_state_prefix"),
        timeout=k8s.nullable(_setting("shared_state_timeout")),
        longestOutage=k8s.nullable(_setting("shared_state_longest_outage")),
    )
    return {
        "sharedState": shared,
        "gateway": _group("streamMaxAge", **own, extraSettings=_extra_settings()),
        "aws": _group(
            region=k8s.text("([a-z]{2}(-[a-z]+)+-[0-9])?"),
            roleArn=k8s.text("(arn:aws[a-z-]*:iam::[0-9]{12}:role/.+)?"),
        ),
    }


def _extra_settings() -> k8s.Schema:
    known = {CONFIG: {"type": "string", "minLength": 1}}
    for field in dataclasses.fields(Settings):
        of_kind = dict(field.metadata["kind"].schema)
        if number := _AS_TEXT.get(of_kind.get("type", "")):
            of_kind = {"anyOf": [of_kind, k8s.text(number)]}
        known[PREFIX + field.name.upper()] = {"description": field.metadata["meaning"], **of_kind}
    return k8s.fields(**known)


def _pod() -> dict[str, k8s.Schema]:
    affinity = ("nodeAffinity", "podAffinity", "podAntiAffinity")
    return {
        "extraEnv": k8s.VARIABLES,
        "extraVolumes": k8s.VOLUMES,
        "extraVolumeMounts": k8s.MOUNTS,
        "preStopSeconds": k8s.integer(0, 600),
        "terminationGracePeriodSeconds": k8s.nullable(k8s.integer(1, _SECONDS_OF_A_POD)),
        "topologySpreadConstraints": k8s.SPREAD,
        "resources": k8s.fields(requests=k8s.nullable(k8s.AMOUNTS), limits=k8s.nullable(k8s.AMOUNTS)),
        "podSecurityContext": k8s.POD_SECURITY,
        "securityContext": k8s.SECURITY,
        "podAnnotations": k8s.ANNOTATIONS,
        "podLabels": k8s.LABELS,
        "nodeSelector": k8s.SELECTING,
        "tolerations": k8s.TOLERATIONS,
        "affinity": k8s.fields(**dict.fromkeys(affinity, k8s.OBJECT)),
        "priorityClassName": k8s.NAME,
    }


def _access() -> dict[str, k8s.Schema]:
    tls = _group(
        enabled=k8s.SWITCH,
        secretName=k8s.NAME,
        requireClientCertificate=k8s.SWITCH,
        clientCaSecretName=k8s.NAME,
    )
    tls["if"] = k8s.having("enabled", enabled={"const": True})
    tls["then"] = {"properties": {"secretName": {"type": "string", "minLength": 1}}}
    tls["else"] = {"properties": {"requireClientCertificate": {"const": False}}}
    return {
        "serviceAccount": _group(create=k8s.SWITCH, name=k8s.NAME, annotations=k8s.ANNOTATIONS),
        "tls": tls,
        "policy": _group(document={"type": "string", "maxLength": 900_000}, existingConfigMap=k8s.NAME),
        "admin": _group(tokenSecretName=k8s.NAME, tokenSecretKey=k8s.SECRET_KEY),
        "guard": _guard(),
    }


def _guard() -> k8s.Schema:
    return _group(
        document={"type": "string", "maxLength": 900_000},
        existingConfigMap=k8s.NAME,
        lists=k8s.SOURCE,
        keySecretName=k8s.NAME,
        keySecretKey=k8s.SECRET_KEY,
        suppressions=_group(volume=k8s.SOURCE),
        audit=_group(
            "fileBytes",
            "files",
            volume=k8s.SOURCE,
            otlp=k8s.SWITCH,
            required=k8s.SWITCH,
            fileBytes=k8s.nullable(_setting("guard_audit_file_bytes")),
            files=k8s.nullable(_setting("guard_audit_files")),
        ),
    )


def _network() -> dict[str, k8s.Schema]:
    return {
        "service": _service(),
        "adminPort": k8s.PORT,
        "ingress": _ingress(),
        "httpRoute": _http_route(),
        "networkPolicy": _network_policy(),
    }


def _service() -> k8s.Schema:
    return _group(
        "nodePort",
        type=k8s.one_of("ClusterIP", "NodePort", "LoadBalancer"),
        port=k8s.PORT,
        nodePort=k8s.nullable(k8s.integer(1, 65535)),
        loadBalancerClass={"anyOf": [{"const": ""}, k8s.LABEL_KEY]},
        loadBalancerSourceRanges=k8s.listed(k8s.CIDR),
        externalTrafficPolicy=k8s.one_of("", "Cluster", "Local"),
        annotations=k8s.ANNOTATIONS,
    )


def _ingress() -> k8s.Schema:
    path = k8s.fields(
        "path",
        "pathType",
        path=k8s.PATH,
        pathType=k8s.one_of("Exact", "Prefix", "ImplementationSpecific"),
    )
    host = k8s.fields("host", host=k8s.HOST, paths=k8s.listed(path))
    return _group(
        enabled=k8s.SWITCH,
        className=k8s.NAME,
        annotations=k8s.ANNOTATIONS,
        hosts=k8s.listed(host),
        tls=k8s.listed(k8s.fields(secretName=k8s.NAME, hosts=k8s.listed(k8s.HOST))),
    )


def _http_route() -> k8s.Schema:
    parent = k8s.fields(
        "name",
        name={**k8s.NAME, "minLength": 1},
        namespace=k8s.LABEL_NAME,
        sectionName={**k8s.NAME, "minLength": 1},
        port=k8s.integer(1, 65535),
        group=k8s.NAME,
        kind=k8s.text("[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?", maxLength=63),
    )
    return _group(
        enabled=k8s.SWITCH,
        annotations=k8s.ANNOTATIONS,
        parentRefs=k8s.listed(parent, maxItems=32),
        hostnames=k8s.listed(k8s.HOST, maxItems=16),
    )


def _network_policy() -> k8s.Schema:
    network = k8s.fields("cidr", cidr=k8s.CIDR, **{"except": k8s.listed(k8s.CIDR)})
    peers = dict.fromkeys(("callers", "monitoring", "console", "collectors", "dns"), k8s.PEERS)
    return _group(
        enabled=k8s.SWITCH,
        **peers,
        awsNetworks=k8s.listed(network),
        sharedState=k8s.PEERS,
        sharedStatePorts=k8s.listed(k8s.integer(1, 65535), minItems=1),
        podIdentityAgent=k8s.SWITCH,
        extraIngress=k8s.INGRESS_RULES,
        extraEgress=k8s.EGRESS_RULES,
    )


def _monitoring() -> dict[str, k8s.Schema]:
    return {
        "serviceMonitor": _group(
            enabled=k8s.SWITCH, labels=k8s.LABELS, interval=k8s.text("[1-9][0-9]*(ms|s|m)")
        ),
        "prometheusRule": _group(
            enabled=k8s.SWITCH,
            labels=k8s.LABELS,
            runbook=k8s.text("[^\\s#\"']+"),
            alerts=k8s.fields(**{rule["alert"]: _alert(rule) for rule in alerts.rules() if "alert" in rule}),
        ),
        "dashboard": _group(enabled=k8s.SWITCH, labels=k8s.LABELS, annotations=k8s.ANNOTATIONS),
    }


def _alert(rule: alerts.Rule) -> k8s.Schema:
    threshold = rule["annotations"].get("threshold")
    above = {"type": "number", "exclusiveMinimum": 0, "description": f"Default: {threshold}."}
    known = {"threshold": above} if threshold else {}
    return k8s.fields(
        enabled=k8s.SWITCH,
        severity=k8s.LABEL_VALUE,
        **{"for": k8s.text("([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?", minLength=2)},
        **known,
    )


def main() -> int:
    """Write the generated files."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
