"""The Helm chart: linted and rendered with each file of values; `python -m scripts.chart` writes the results.

What comes of it is committed in deploy/rendered/, so that it can be read, compared and checked where helm is
not at hand. scripts/helm.sh brings helm.
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
"""The version that templates are told of; what they write is checked against others as well."""


class ChartError(Exception):
    """Helm refuses the chart or the values; the text is helm's."""


def find_helm() -> Path | None:
    """Return helm: that of this environment, or that of the machine; None where there is none."""
    return tools.find("helm")


def helms() -> list[Path]:
    """Return every helm that is installed, each once: one called `helm`, and a Helm 3 called `helm3`."""
    found = (find_helm(), tools.find("helm3"), shutil.which("helm"))
    return list(dict.fromkeys(Path(path).resolve() for path in found if path))


def renderings() -> dict[str, tuple[str, ...]]:
    """Return what is rendered: the name of each result, and helm's arguments for its values."""
    files = sorted(VALUES.glob("*.yaml"))
    return {"default": (), **{file.stem: ("--values", str(file)) for file in files}}


def lint(helm: Path, *arguments: str) -> str:
    """Lint the chart with these values; return what helm says. Raises `ChartError`."""
    return _run(helm, "lint", "--strict", "--quiet", "--kube-version", KUBERNETES, str(CHART), *arguments)


def render(helm: Path, *arguments: str) -> str:
    """Return the manifests with these values. Raises `ChartError`."""
    names = (RELEASE, str(CHART), "--namespace", NAMESPACE)
    text = _run(helm, "template", *names, "--kube-version", KUBERNETES, *arguments)
    return re.sub(r"\n+(?=---\n|$)", "\n", text).rstrip("\n") + "\n"  # of blank lines helm 3 and 4 differ


def committed(name: str) -> Path:
    """Return where a rendering is committed."""
    return RENDERED / f"{name}.yaml"


def _run(helm: Path, *words: str) -> str:
    done = subprocess.run([helm, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def main() -> int:
    """Write every rendering to its place; drop those that are no more."""
    helm = find_helm()
    if helm is None:
        print("helm is not at hand: scripts/helm.sh says how it comes")
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
