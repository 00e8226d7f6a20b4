"""Validates manifests against the schemas of Kubernetes and of custom resources.

kubernetes-validate provides Kubernetes' own schemas. The schemas of Istio and of the Gateway API are in the
CRDs of their Go modules, which deploy/tools/go.mod pins; they are read if Go is available. Linkerd and the
Prometheus operator have no such module, so deploy/schemas has schemas of the fields that we use.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from kubernetes_validate.utils import all_versions  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "deploy" / "tools"
OUR_SCHEMAS = ROOT / "deploy" / "schemas"
CRD_MODULES = {
    "istio.io/api": "kubernetes/customresourcedefinitions.gen.yaml",
    "sigs.k8s.io/gateway-api": "config/crd/standard/*.yaml",
}
KUBERNETES_GROUPS = {"", "apps", "autoscaling", "policy", "networking.k8s.io"}

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast loader of PyYAML, where it was built with it."""
Manifest = dict[str, Any]
Schemas = dict[tuple[str, str], Mapping[str, Any]]
"""A JSON schema for each custom resource, by `apiVersion` and `kind`."""


def read(path: Path) -> list[Manifest]:
    """Return the manifests in a file, without the empty ones that helm writes."""
    return [document for document in yaml.load_all(path.read_text(encoding="utf-8"), _LOADER) if document]


def kubernetes_versions() -> list[str]:
    """Return the three newest versions with available schemas, such as 1.37."""
    known = sorted({tuple(map(int, version.split(".")[:2])) for version in all_versions()})
    return [f"{major}.{minor}" for major, minor in known[-3:]]


def is_kubernetes(manifest: Manifest) -> bool:
    """Tell whether Kubernetes itself has this kind; the others are custom resources."""
    group, slash, _ = manifest["apiVersion"].partition("/")
    return (group if slash else "") in KUBERNETES_GROUPS


def kubernetes_fault(manifest: Manifest, version: str) -> str | None:
    """Return the first error of this Kubernetes version, also for unknown fields; None if there is none."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        return str(error.message)
    except jsonschema.ValidationError as error:
        return _in_words(error)
    return None


def custom_fault(manifest: Manifest, schemas: Schemas) -> str | None:
    """Return the first error by a custom resource's CRD; None if there is none."""
    schema = schemas.get((manifest["apiVersion"], manifest["kind"]))
    if schema is None:
        return f"there is no schema of {manifest['kind']} in {manifest['apiVersion']}"
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(manifest))
    return _in_words(error) if error else None


def our_schemas() -> Schemas:
    """Return our own schemas, of the fields that we use."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(OUR_SCHEMAS.glob("*.json"))]
    return {_key(schema): schema for schema in map(json.loads, texts)}


def crd_schemas() -> Schemas | None:
    """Return the schemas of the CRDs in the pinned Go modules; None if Go is not available."""
    if shutil.which("go") is None:
        return None
    definitions = [document for path in _crd_files() for document in read(path)]
    return dict(entry for definition in definitions for entry in _of_crd(definition))


def _crd_files() -> Iterator[Path]:
    for module, pattern in CRD_MODULES.items():
        command = ["go", "mod", "download", "-json", module]
        done = subprocess.run(command, cwd=TOOLS, stdout=subprocess.PIPE, text=True, check=True)
        yield from sorted(Path(json.loads(done.stdout)["Dir"]).glob(pattern))


def _key(schema: Mapping[str, Any]) -> tuple[str, str]:
    named = schema["properties"]
    return named["apiVersion"]["const"], named["kind"]["const"]


def _of_crd(definition: Manifest) -> Iterable[tuple[tuple[str, str], Mapping[str, Any]]]:
    if definition["kind"] != "CustomResourceDefinition":
        return
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = closed(version["schema"]["openAPIV3Schema"])
        free = {"apiVersion": True, "kind": True, "metadata": True}
        schema["properties"] = {**schema.get("properties", {}), **free}
        yield (f"{spec['group']}/{version['name']}", spec["names"]["kind"]), schema


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a CRD's schema so that it refuses unknown fields, which a cluster would drop silently.

    This applies only to declarations of fields: `anyOf` and similar keywords repeat fields to combine them.
    """
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: closed(field) for name, field in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), Mapping):
        made["items"] = closed(schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        made["additionalProperties"] = closed(schema["additionalProperties"])
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
    return made


def _in_words(error: jsonschema.ValidationError) -> str:
    return f"{error.json_path}: {error.message[:300]}"
