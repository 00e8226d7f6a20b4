"""Lints, renders, documents and tests the Helm chart; `python -m scripts.chart` writes the results.

The rendered manifests are committed in deploy/rendered/, so that they can be read, compared and checked
without helm. scripts/helm.sh installs helm, and scripts/chart_tools.sh helm-docs and helm-unittest.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import tools

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "dial-gateway"
VALUES = ROOT / "deploy" / "values"
RENDERED = ROOT / "deploy" / "rendered"
PAGE = CHART / "README.md"
RELEASE, NAMESPACE = "dial-gateway", "dialing"
KUBERNETES = "1.37.0"
"""The Kubernetes version for rendering; the manifests are checked against other versions as well."""


class ChartError(Exception):
    """Helm refuses the chart or the values; the text is helm's."""


def find_helm() -> Path | None:
    """Return the path of helm in this environment or on the machine; None if there is none."""
    return tools.find("helm")


def find_helm_docs() -> Path | None:
    """Return the path of helm-docs in this environment or on the machine; None if there is none."""
    return tools.find("helm-docs")


def find_helm_unittest() -> Path | None:
    """Return the path of helm-unittest in this environment or on the machine; None if there is none."""
    return tools.find("helm-unittest")


def helms() -> list[Path]:
    """Return every installed helm, each once: one called `helm`, and a Helm 3 called `helm3`."""
    found = (find_helm(), tools.find("helm3"), shutil.which("helm"))
    return list(dict.fromkeys(Path(path).resolve() for path in found if path))


def renderings() -> dict[str, tuple[str, ...]]:
    """Return the renderings: the name of each result, and helm's arguments for its values."""
    files = sorted(VALUES.glob("*.yaml"))
    return {"default": (), **{file.stem: ("--values", str(file)) for file in files}}


def lint(helm: Path, *arguments: str) -> str:
    """Lint the chart with these values; return helm's output. Raises `ChartError`."""
    return _run(helm, "lint", "--strict", "--quiet", "--kube-version", KUBERNETES, str(CHART), *arguments)


def render(helm: Path, *arguments: str) -> str:
    """Return the manifests with these values. Raises `ChartError`."""
    names = (RELEASE, str(CHART), "--namespace", NAMESPACE)
    text = _run(helm, "template", *names, "--kube-version", KUBERNETES, *arguments)
    return re.sub(r"\n+(?=---\n|$)", "\n", text).rstrip("\n") + "\n"  # helm 3 and 4 differ in blank lines


def page(helm_docs: Path) -> str:
    """Return the chart's page, with all values. Raises `ChartError`."""
    where = ("--chart-search-root", str(CHART), "--sort-values-order", "file")
    return _run(helm_docs, "--dry-run", "--log-level", "warning", *where).strip() + "\n"


def unit_tests(helm_unittest: Path) -> int:
    """Run the tests of the templates, in the chart's folder; return their number. Raises `ChartError`."""
    told = _run(helm_unittest, "--strict", str(CHART))
    passed = re.search(r"^Tests: +(\d+) passed", told, re.MULTILINE)
    if passed is None:
        raise ChartError(told)
    return int(passed[1])


def committed(name: str) -> Path:
    """Return the path of a committed rendering."""
    return RENDERED / f"{name}.yaml"


def _run(helm: Path, *words: str) -> str:
    # It ends at once, so Go's collector, which takes a third of its time, is off.
    environment = os.environ | {"GOGC": "off"}
    done = subprocess.run([helm, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise ChartError("\n".join(filter(None, (done.stderr.strip(), done.stdout.strip()))))
    return done.stdout


def main() -> int:
    """Write the chart's page and every rendering to its file; delete files of removed values."""
    helm = find_helm()
    if helm is None:
        print("helm is not installed: run scripts/helm.sh")
        return 1
    if helm_docs := find_helm_docs():
        PAGE.write_text(page(helm_docs), encoding="utf-8")
    RENDERED.mkdir(exist_ok=True)
    for stale in set(RENDERED.glob("*.yaml")) - {committed(name) for name in renderings()}:
        stale.unlink()
    for name, arguments in renderings().items():
        committed(name).write_text(render(helm, *arguments), encoding="utf-8")
    print(f"deploy/rendered: {len(renderings())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
