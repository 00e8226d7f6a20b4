"""Checks deploy/: the chart, its generated files, its rendered manifests, and the manifests for meshes.

If helm is available, it lints the chart, and the committed renderings must equal its output. The same holds
for the chart's page and helm-docs. helm-unittest runs the chart's own tests. Every manifest is validated
against the schemas of three versions of Kubernetes, or of its custom resource: by kubeconform, or by Python
without it.
"""

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import chart, conformance, manifests, values_schema

ROOT = chart.ROOT
MESHES = (ROOT / "deploy" / "istio", ROOT / "deploy" / "linkerd")


def main() -> int:
    """Run every check; 0 if all hold."""
    faults = [*_generated_faults(), *_chart_faults(), *_unit_test_faults(), *_manifest_faults()]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def _generated_faults() -> Iterator[str]:
    for path, text in values_schema.written().items():
        yield from _differences(path, text)
    helm_docs = chart.find_helm_docs()
    if helm_docs is None:
        print("chart: helm-docs is not installed, so its page was not generated")
        return
    yield from _differences(chart.PAGE, chart.page(helm_docs))


def _unit_test_faults() -> Iterator[str]:
    helm_unittest = chart.find_helm_unittest()
    if helm_unittest is None:
        print("chart: helm-unittest is not installed, so the tests of the chart were not run")
        return
    try:
        print(f"chart: {chart.unit_tests(helm_unittest)} tests of its templates passed")
    except chart.ChartError as error:
        yield f"chart: {error}"


def _chart_faults() -> Iterator[str]:
    helm = chart.find_helm()
    names = chart.renderings()
    if helm is None:
        print("chart: helm is not installed, so it was neither linted nor rendered")
        return
    for name, arguments in names.items():
        try:
            chart.lint(helm, *arguments)
            for each in chart.helms():  # helm 3 and helm 4 render the same
                yield from _differences(chart.committed(name), chart.render(each, *arguments))
        except chart.ChartError as error:
            yield f"chart with the values {name}: {error}"
    stale = {path.stem for path in chart.RENDERED.glob("*.yaml")} - set(names)
    yield from (
        f"deploy/rendered/{name}.yaml: no values file for it; run `make manifests`" for name in sorted(stale)
    )
    print(f"chart: linted, and rendered with {len(names)} sets of values")


def _differences(path: Path, made: str) -> Iterator[str]:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before != made:
        lines = difflib.unified_diff(before.splitlines(), made.splitlines(), lineterm="", n=1)
        yield "\n".join([f"{path.relative_to(ROOT)}: differs from its source; run `make manifests`", *lines])


def _manifest_faults() -> Iterator[str]:
    versions = manifests.kubernetes_versions()
    crds = manifests.crd_schemas()
    if crds is None:
        print("manifests: those of Istio and the Gateway API are unchecked, since Go is not installed")
    schemas = {**(crds or {}), **manifests.our_schemas()}
    kubeconform = conformance.find_kubeconform()
    if kubeconform is None or crds is None:
        found, by = list(_by_python(versions, schemas, complete=crds is not None)), "Python"
    else:
        found, by = list(_by_kubeconform(kubeconform, versions, schemas)), "kubeconform"
    yield from (f"{where}: {fault}" for where, fault in found if fault)
    checked = len(found) // len(versions)
    print(f"manifests: {checked} checked by {by}, for Kubernetes {', '.join(versions)}")


def _by_kubeconform(
    kubeconform: Path, versions: list[str], schemas: manifests.Schemas
) -> Iterator[conformance.Verdict]:
    files = list(dict.fromkeys(path for path, _ in all_manifests()))
    for version in versions:
        for where, fault in conformance.verdicts(kubeconform, files, version, schemas):
            yield conformance.Verdict(f"{where} (Kubernetes {version})", fault)


def _by_python(
    versions: list[str], schemas: manifests.Schemas, *, complete: bool
) -> Iterator[conformance.Verdict]:
    for path, manifest in all_manifests():
        where = f"{path.relative_to(ROOT)}: {manifest['kind']} {manifest['metadata']['name']}"
        custom = not manifests.is_kubernetes(manifest)
        if custom and not complete and (manifest["apiVersion"], manifest["kind"]) not in schemas:
            continue
        for version in versions:
            fault = (
                manifests.custom_fault(manifest, schemas)
                if custom
                else manifests.kubernetes_fault(manifest, version)
            )
            yield conformance.Verdict(f"{where} (Kubernetes {version})", fault)


def all_manifests() -> Iterator[tuple[Path, manifests.Manifest]]:
    """Yield every manifest under deploy/ with its file: rendered ones, and those for meshes."""
    for folder in (chart.RENDERED, *MESHES):
        for path in sorted(folder.glob("*.yaml")):
            for manifest in manifests.read(path):
                yield path, manifest


if __name__ == "__main__":
    sys.exit(main())
