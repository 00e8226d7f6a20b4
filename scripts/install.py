"""Installs the packages that a file pins into the environment of the Python that runs this.

    .venv/bin/python scripts/install.py requirements/dev.txt

uv does it in a third of pip's processor time; pip installs uv. If there is no wheel of uv for this machine,
or if uv fails, pip installs everything. Both compare each wheel with the hashes in the file.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / "requirements" / "dev.txt"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SECTIONS = (":env:", "install", "global")
"""Where pip has settings for installing, the first that has a setting counts."""


def main(pins: str) -> int:
    """Install what a file pins."""
    print(f"installing what {pins} pins into {sys.prefix}, which takes up to a minute", flush=True)
    if _uv_is_installed() and _uv_installs(pins):
        return 0
    print("uv cannot install it here, so pip does, which takes one to four minutes", flush=True)
    return 0 if _succeeds([*PIP, "--quiet", "install", "--require-hashes", "--requirement", pins]) else 1


def _uv_is_installed() -> bool:
    """Install the uv that the requirements for development pin; return whether that was possible."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(uv_pin(DEV.read_text(encoding="utf-8")))
        file.flush()
        options = ("--require-hashes", "--only-binary", ":all:", "--requirement", file.name)
        return _succeeds([*PIP, "--quiet", "install", *options])


def uv_pin(pins: str) -> str:
    """Return the part of pinned requirements that pins uv, with its hashes."""
    pinned = re.search(r"^uv==.*?(?=^\S|\Z)", pins, re.MULTILINE | re.DOTALL)
    return "" if pinned is None else pinned[0]


def _uv_installs(pins: str) -> bool:
    settings = pip_settings()
    options = ["--no-index"] if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"} else []
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    # Bytecode is written by one process for each processor now, not by each process that imports a package.
    command += ["--require-hashes", "--compile-bytecode", "--requirement", pins, *options]
    return _succeeds(command, uv_environment(settings, os.environ))


def _succeeds(command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    return subprocess.run(command, env=environment, check=False).returncode == 0


def pip_settings() -> dict[str, str]:
    """Return pip's settings for installing, from its files and variables, by their long options."""
    loud = {**os.environ, "PIP_QUIET": "0"}  # a quiet pip lists nothing
    command = [*PIP, "config", "list"]
    return settings_of(subprocess.run(command, env=loud, capture_output=True, text=True, check=True).stdout)


def settings_of(listed: str) -> dict[str, str]:
    """Return the settings for installing in the output of `pip config list`, by their long options."""
    settings: dict[str, str] = {}
    lines = [line.partition("=") for line in listed.splitlines()]
    for section in reversed(SECTIONS):
        for name, _, value in lines:
            if name.startswith(f"{section}."):
                settings[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return settings


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv uses the indexes and certificates of pip's settings."""
    ours = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": " ".join(settings.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(settings.get("find-links", "").split()),
        "UV_INSECURE_HOST": " ".join(settings.get("trusted-host", "").split()),
        "SSL_CERT_FILE": settings.get("cert", ""),
        "HTTPS_PROXY": settings.get("proxy", ""),
    }
    # pip takes a package from any of its indexes, too. The hashes decide which wheels are the right ones.
    always = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_SYSTEM_CERTS": "1"}
    return {**environment, **always, **{name: value for name, value in ours.items() if value}}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
