"""JSON schemas of the terms that values of the chart share with Kubernetes: names, labels, quantities, peers.

They have the rules that the API server applies beyond its own published schemas, which check types only. All
patterns are understood alike by Go, which helm uses, and by Python.
"""

from typing import Any

Schema = dict[str, Any]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = rf"({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}/(3[0-2]|[12]?[0-9])"
_H = "[0-9a-fA-F]{1,4}"
_ADDRESS6 = "|".join(
    [
        f"({_H}:){{7}}{_H}",
        f"({_H}:){{1,7}}:",
        *(f"({_H}:){{1,{7 - after}}}(:{_H}){{1,{after}}}" for after in range(1, 7)),
        f":(:{_H}){{1,7}}",
        "::",
    ]
)
_IPV6 = f"({_ADDRESS6})/(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
RESERVED = (
    r"app\.kubernetes\.io/(name|instance|version|managed-by|component)|helm\.sh/chart|pod-template-hash"
)
"""Labels that the chart or Kubernetes sets."""


def text(pattern: str, **more: Any) -> Schema:
    """Return the schema of a text that matches a pattern as a whole."""
    return {"type": "string", "pattern": f"^({pattern})$", **more}


def integer(low: int, high: int, **more: Any) -> Schema:
    """Return the schema of a whole number within two bounds."""
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def nullable(schema: Schema) -> Schema:
    """Return a schema that accepts null as well."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(item: Schema, **more: Any) -> Schema:
    """Return the schema of a list of items."""
    return {"type": "array", "items": item, **more}


def fields(*required: str, **known: Schema) -> Schema:
    """Return the schema of an object without other fields than these."""
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, **needed, "properties": known}


def having(*names: str, **known: Schema) -> Schema:
    """Return a condition: an object has these fields, and they match what is `known` of them.

    Each field is listed under `properties` too, or strict readers of schemas take its name for a misprint.
    """
    return {"required": list(names), "properties": dict.fromkeys(names, True) | known}


def one_of(*allowed: Any) -> Schema:
    """Return the schema of these values only."""
    return {"enum": list(allowed)}


TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
PORT = integer(1024, 65535, description="The gateway is not root, so no port below 1024.")
SERVICE_NAME = text("([a-z]([-a-z0-9]*[a-z0-9])?)?", maxLength=63)
NAME = text(f"({_SUBDOMAIN})?", maxLength=253)
LABEL_NAME = text(_LABEL, maxLength=63)
HOST = text(rf"(\*\.)?{_SUBDOMAIN}", maxLength=253, **{"not": {"pattern": r"^[0-9.]+$"}})
PATH = text("/.*", **{"not": {"pattern": r"//|/\.{1,2}(/|$)|%2[fF]"}})
SECRET_KEY = text(r"[-_a-zA-Z0-9]([-._a-zA-Z0-9])*", maxLength=253)
LABEL_KEY = text(_QUALIFIED, maxLength=317)
LABEL_VALUE = text("([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
SELECTING: Schema = {"type": "object", "propertyNames": LABEL_KEY, "additionalProperties": LABEL_VALUE}
"""Labels that select."""
LABELS: Schema = {**SELECTING, "propertyNames": {**LABEL_KEY, "not": {"pattern": f"^({RESERVED})$"}}}
"""Labels that values may set."""
ANNOTATIONS: Schema = {"type": "object", "propertyNames": LABEL_KEY, "additionalProperties": TEXT}
CIDR = text(f"{_IPV4}|{_IPV6}")

CPU: Schema = {"anyOf": [{"type": "number", "minimum": 0.001}, text(r"[0-9]+m|[0-9]+(\.[0-9]{1,3})?")]}
BYTES: Schema = {
    "anyOf": [{"type": "integer", "minimum": 0}, text(r"[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?")]
}
AMOUNTS: Schema = fields(
    **{"cpu": nullable(CPU), "memory": nullable(BYTES), "ephemeral-storage": nullable(BYTES)}
)
POSITIVE: Schema = {"anyOf": [{"type": "integer", "minimum": 1}, text("0*[1-9][0-9]*(m|k|M)?")]}
"""A quantity on which pods are scaled."""

_WITH_VALUES = fields(
    "key",
    "operator",
    "values",
    key=LABEL_KEY,
    operator=one_of("In", "NotIn"),
    values=listed(LABEL_VALUE, minItems=1),
)
_WITHOUT_VALUES = fields("key", "operator", key=LABEL_KEY, operator=one_of("Exists", "DoesNotExist"))
SELECTOR = fields(matchLabels=SELECTING, matchExpressions=listed({"anyOf": [_WITH_VALUES, _WITHOUT_VALUES]}))
PEERS = listed(
    {
        "anyOf": [
            {**fields(namespaceSelector=SELECTOR, podSelector=SELECTOR), "minProperties": 1},
            fields("ipBlock", ipBlock=fields("cidr", cidr=CIDR, **{"except": listed(CIDR)})),
        ]
    }
)
"""Peers of a NetworkPolicy: pods or networks, never both in one."""
_PORTS = listed(
    {
        **fields(
            protocol=one_of("TCP", "UDP", "SCTP"),
            port={"anyOf": [integer(1, 65535), text("[a-z0-9]([-a-z0-9]*[a-z0-9])?", maxLength=15)]},
            endPort=integer(1, 65535),
        ),
        "if": having("endPort"),
        "then": having("port", port={"type": "integer"}),
    }
)
INGRESS_RULES = listed(fields(**{"from": PEERS, "ports": _PORTS}))
EGRESS_RULES = listed(fields(to=PEERS, ports=_PORTS))

_KEY_OF = fields("name", "key", name={**NAME, "minLength": 1}, key=SECRET_KEY, optional=SWITCH)
VARIABLES = listed(
    {
        **fields(
            "name",
            name=text(
                "[-._a-zA-Z][-._a-zA-Z0-9]*",
                **{"not": {"pattern": "^DIAL_GATEWAY_"}},
                description="The gateway's own settings go to gateway.extraSettings.",
            ),
            value=TEXT,
            valueFrom={
                **fields(
                    fieldRef=fields("fieldPath", fieldPath=TEXT, apiVersion=TEXT),
                    resourceFieldRef=fields("resource", resource=TEXT, containerName=TEXT, divisor=TEXT),
                    secretKeyRef=_KEY_OF,
                    configMapKeyRef=_KEY_OF,
                ),
                "minProperties": 1,
                "maxProperties": 1,
            },
        ),
        "not": having("value", "valueFrom"),
    }
)
VOLUMES = listed(
    {
        "type": "object",
        "required": ["name"],
        "properties": {"name": LABEL_NAME},
        "minProperties": 2,
        "maxProperties": 2,
    },
    description="A name and one source each.",
)
SOURCE: Schema = {"type": "object", "maxProperties": 1, "description": "The source of a volume; empty: none."}
MOUNTS = listed(
    fields(
        "name",
        "mountPath",
        name=LABEL_NAME,
        mountPath=text("/[^:]*"),
        readOnly=SWITCH,
        recursiveReadOnly=one_of("Disabled", "IfPossible", "Enabled"),
        subPath=text(r"[^/].*"),
        subPathExpr=text(r"[^/].*"),
        mountPropagation=one_of("None", "HostToContainer", "Bidirectional"),
    )
)
SPREAD = listed(
    {
        **fields(
            "maxSkew",
            "topologyKey",
            "whenUnsatisfiable",
            maxSkew=integer(1, 1000),
            topologyKey=LABEL_KEY,
            whenUnsatisfiable=one_of("ScheduleAnyway", "DoNotSchedule"),
            minDomains=integer(1, 1000),
            labelSelector=SELECTOR,
            matchLabelKeys=listed(LABEL_KEY),
            nodeAffinityPolicy=one_of("Honor", "Ignore"),
            nodeTaintsPolicy=one_of("Honor", "Ignore"),
        ),
        "if": having("minDomains"),
        "then": {"properties": {"whenUnsatisfiable": {"const": "DoNotSchedule"}}},
    }
)
_EFFECT = one_of("NoSchedule", "PreferNoSchedule", "NoExecute")
TOLERATIONS = listed(
    {
        **fields(
            key=LABEL_KEY,
            operator=one_of("Exists", "Equal"),
            value=LABEL_VALUE,
            effect=_EFFECT,
            tolerationSeconds={"type": "integer"},
        ),
        "allOf": [
            {
                "anyOf": [
                    having("key"),
                    having("operator", operator={"const": "Exists"}),
                ]
            },
            {
                "if": having("operator", operator={"const": "Exists"}),
                "then": {"properties": {"value": {"const": ""}}},
            },
            {
                "if": having("tolerationSeconds"),
                "then": having("effect", effect={"const": "NoExecute"}),
            },
        ],
    }
)
_ID = nullable(integer(1, 2**31 - 1))
_PROFILE = nullable(
    {
        **fields(
            "type",
            type=one_of("RuntimeDefault", "Unconfined", "Localhost"),
            localhostProfile=text("[^/. ].*"),
        ),
        "if": {"properties": {"type": {"const": "Localhost"}}},
        "then": having("localhostProfile"),
        "else": {"properties": {"localhostProfile": False}},
    }
)
_LABELS_OF_SELINUX = nullable(fields(user=TEXT, role=TEXT, type=TEXT, level=TEXT))
POD_SECURITY = fields(
    runAsNonRoot=nullable(SWITCH),
    runAsUser=_ID,
    runAsGroup=_ID,
    fsGroup=_ID,
    fsGroupChangePolicy=nullable(one_of("OnRootMismatch", "Always")),
    seccompProfile=_PROFILE,
    seLinuxOptions=_LABELS_OF_SELINUX,
    seLinuxChangePolicy=nullable(one_of("MountOption", "Recursive")),
    appArmorProfile=_PROFILE,
    supplementalGroups=nullable(listed(integer(0, 2**31 - 1))),
    supplementalGroupsPolicy=nullable(one_of("Merge", "Strict")),
    sysctls=nullable(
        listed(
            fields(
                "name",
                "value",
                name=text("[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"),
                value=TEXT,
            )
        )
    ),
)
SECURITY = fields(
    allowPrivilegeEscalation=nullable(SWITCH),
    privileged=nullable({"const": False}),
    readOnlyRootFilesystem=nullable(SWITCH),
    capabilities=nullable(fields(add=listed(TEXT), drop=listed(TEXT))),
    runAsNonRoot=nullable(SWITCH),
    runAsUser=_ID,
    runAsGroup=_ID,
    seccompProfile=_PROFILE,
    seLinuxOptions=_LABELS_OF_SELINUX,
    appArmorProfile=_PROFILE,
)

DEFINITIONS = {
    "name": NAME,
    "serviceName": SERVICE_NAME,
    "host": HOST,
    "key": LABEL_KEY,
    "value": LABEL_VALUE,
    "labels": LABELS,
    "annotations": ANNOTATIONS,
    "secretKey": SECRET_KEY,
    "port": PORT,
    "network": CIDR,
    "cpu": CPU,
    "bytes": BYTES,
    "amounts": AMOUNTS,
    "selector": SELECTOR,
    "peers": PEERS,
    "ports": _PORTS,
}
"""Terms that a schema states once and refers to."""


def with_definitions(schema: Schema) -> Schema:
    """Return an equal schema in which each of the terms is stated once, under `definitions`."""
    definitions = {
        name: {key: _referring(value) for key, value in term.items()} for name, term in DEFINITIONS.items()
    }
    return {**_referring(schema), "definitions": definitions}


def _referring(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_referring(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    for name, term in DEFINITIONS.items():
        if schema == term:
            return {"$ref": f"#/definitions/{name}"}
    return {key: _referring(value) for key, value in schema.items()}
