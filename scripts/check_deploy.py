"""Checks deploy/: the chart, its rendered manifests, and the manifests for meshes.

If helm is available, it lints the chart, and the committed renderings must equal its output. Every
manifest is validated against the schemas of three versions of Kubernetes, or of its custom resource.
"""

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import chart, manifests

ROOT = chart.ROOT
MESHES = (ROOT / "deploy" / "istio", ROOT / "deploy" / "linkerd")


def main() -> int:
    """Run every check; 0 if all hold."""
    faults = [*_chart_faults(), *_manifest_faults()]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def _chart_faults() -> Iterator[str]:
    helm = chart.find_helm()
    names = chart.renderings()
    if helm is None:
        print("chart: helm is not installed, so it was neither linted nor rendered")
        return
    for name, arguments in names.items():
        try:
            chart.lint(helm, *arguments)
            yield from _differences(name, chart.render(helm, *arguments))
        except chart.ChartError as error:
            yield f"chart with the values {name}: {error}"
    stale = {path.stem for path in chart.RENDERED.glob("*.yaml")} - set(names)
    yield from (
        f"deploy/rendered/{name}.yaml: no values file for it; run `make manifests`" for name in sorted(stale)
    )
    print(f"chart: linted, and rendered with {len(names)} sets of values")


def _differences(name: str, rendered: str) -> Iterator[str]:
    path = chart.committed(name)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before != rendered:
        lines = difflib.unified_diff(before.splitlines(), rendered.splitlines(), lineterm="", n=1)
        yield "\n".join(
            [f"{path.relative_to(ROOT)}: differs from what the chart renders; run `make manifests`", *lines]
        )


def _manifest_faults() -> Iterator[str]:
    versions = manifests.kubernetes_versions()
    crds = manifests.crd_schemas()
    schemas = {**(crds or {}), **manifests.our_schemas()}
    checked = unchecked = 0
    for path, manifest in all_manifests():
        where = f"{path.relative_to(ROOT)}: {manifest['kind']} {manifest['metadata']['name']}"
        if manifests.is_kubernetes(manifest):
            found = [(f" (Kubernetes {v})", manifests.kubernetes_fault(manifest, v)) for v in versions]
        elif (manifest["apiVersion"], manifest["kind"]) in schemas:
            found = [("", manifests.custom_fault(manifest, schemas))]
        elif crds is None:
            unchecked += 1
            continue
        else:
            found = [("", f"there is no schema of {manifest['apiVersion']}")]
        checked += 1
        yield from (f"{where}{version}: {fault}" for version, fault in found if fault)
    print(f"manifests: {checked} checked: against Kubernetes {', '.join(versions)}, others by their CRDs")
    if unchecked:
        print(f"manifests: {unchecked} of Istio and the Gateway API unchecked, since Go is not installed")


def all_manifests() -> Iterator[tuple[Path, manifests.Manifest]]:
    """Yield every manifest under deploy/ with its file: rendered ones, and those for meshes."""
    for folder in (chart.RENDERED, *MESHES):
        for path in sorted(folder.glob("*.yaml")):
            for manifest in manifests.read(path):
                yield path, manifest


if __name__ == "__main__":
    sys.exit(main())
