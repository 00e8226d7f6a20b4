"""Lints and renders the Helm chart with each values file; `python -m scripts.chart` writes the results.

The rendered manifests are committed in deploy/rendered/, so that they can be read, compared and checked
without helm. scripts/helm.sh installs helm.
"""

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
RELEASE, NAMESPACE = "dial-gateway", "dialing"
KUBERNETES = "1.37.0"
"""The Kubernetes version for rendering; the manifests are checked against other versions as well."""


class ChartError(Exception):
    """Helm refuses the chart or the values; the text is helm's."""


def find_helm() -> Path | None:
    """Return the path of helm in this environment or on the machine; None if there is none."""
    return tools.find("helm")


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


def committed(name: str) -> Path:
    """Return the path of a committed rendering."""
    return RENDERED / f"{name}.yaml"


def _run(helm: Path, *words: str) -> str:
    done = subprocess.run([helm, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def main() -> int:
    """Write every rendering to its file; delete files of removed values."""
    helm = find_helm()
    if helm is None:
        print("helm is not installed: run scripts/helm.sh")
        return 1
    RENDERED.mkdir(exist_ok=True)
    for stale in set(RENDERED.glob("*.yaml")) - {committed(name) for name in renderings()}:
        stale.unlink()
    for name, arguments in renderings().items():
        committed(name).write_text(render(helm, *arguments), encoding="utf-8")
    print(f"deploy/rendered: {len(renderings())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
