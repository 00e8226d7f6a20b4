"""Validates manifests with kubeconform: against the schemas of Kubernetes, and of custom resources.

kubernetes-validate's package has the schemas of Kubernetes. They refer to each other by addresses of a
site, so kubeconform gets copies that refer to files. scripts/chart_tools.sh builds kubeconform.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import kubernetes_validate  # type: ignore[import-untyped]

from scripts import tools
from scripts.manifests import ROOT, Schemas

PACKAGE = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
DEFINITIONS = "_definitions.json"
OF_KUBERNETES = "{{.ResourceKind}}{{.KindSuffix}}.json"
CUSTOM = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"
DRAFT = "http://json-schema.org/draft-07/schema#"
_kind = re.compile(r"^apiVersion: (\S+)\nkind: (\S+)$", re.MULTILINE)
VALID = "statusValid"


class Verdict(NamedTuple):
    """What kubeconform says of one manifest: the place, and the first error; None if there is none."""

    where: str
    fault: str | None


def find_kubeconform() -> Path | None:
    """Return the path of kubeconform in this environment or on the machine; None if there is none."""
    return tools.find("kubeconform")


def verdicts(kubeconform: Path, files: Iterable[Path], version: str, schemas: Schemas) -> list[Verdict]:
    """Return the verdict on each manifest of these files, by a version of Kubernetes such as 1.37.

    A manifest with an unknown field, or of a kind without a schema, is faulty.
    """
    paths = list(files)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_schemas(folder, paths, version, schemas)
        places = [f"-schema-location={folder / file}" for file in (OF_KUBERNETES, CUSTOM)]
        command = [
            str(kubeconform),
            "-strict",
            "-verbose",
            "-output=json",
            f"-kubernetes-version={version}.0",
        ]
        done = subprocess.run(
            [*command, *places, *map(str, paths)], capture_output=True, text=True, check=False, timeout=120
        )
    if not done.stdout:
        return [Verdict("kubeconform", done.stderr.strip())]
    return list(_read(json.loads(done.stdout)["resources"]))


def _write_schemas(folder: Path, paths: Iterable[Path], version: str, schemas: Schemas) -> None:
    for (api, kind), schema in schemas.items():
        group, _, number = api.partition("/")
        path = folder / f"{group}_{number}_{kind.lower()}.json"
        path.write_text(json.dumps({"$schema": DRAFT, **schema}), encoding="utf-8")
    kinds = {found for path in paths for found in _kind.findall(path.read_text(encoding="utf-8"))}
    package = PACKAGE / f"v{version}.0-local-strict"
    definitions = json.loads((package / DEFINITIONS).read_text(encoding="utf-8"))["$defs"]
    needed: dict[str, Any] = {}
    for api, kind in kinds:
        file = f"{kind.lower()}-{re.sub(r'[.][^/]*/|/', '-', api)}.json"
        if (package / file).exists():
            text = (package / file).read_text(encoding="utf-8").replace(f"/api/{DEFINITIONS}", DEFINITIONS)
            schema = json.loads(text)
            del schema["$id"]
            _collect(schema, definitions, needed)
            (folder / file).write_text(json.dumps(schema), encoding="utf-8")
    (folder / DEFINITIONS).write_text(json.dumps({"$schema": DRAFT, "$defs": needed}), encoding="utf-8")


def _collect(schema: object, definitions: dict[str, Any], needed: dict[str, Any]) -> None:
    """Add the definitions that a schema refers to, directly or not, to `needed`."""
    if isinstance(schema, list):
        for item in schema:
            _collect(item, definitions, needed)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name in definitions and name not in needed:
            needed[name] = definitions[name]
            _collect(definitions[name], definitions, needed)
        for item in schema.values():
            _collect(item, definitions, needed)


def _read(resources: Iterable[dict[str, Any]]) -> Iterator[Verdict]:
    for found in resources:
        path = Path(found["filename"])
        where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        valid = found["status"] == VALID
        yield Verdict(f"{where}: {found['kind']} {found['name']}", None if valid else found["msg"][:300])
