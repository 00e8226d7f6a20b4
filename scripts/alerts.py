"""Reads the recording and alerting rules and their tests, and runs promtool on them.

scripts/promtool.sh installs promtool.
"""

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from scripts import tools

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy" / "helm" / "dial-gateway" / "files" / "rules.yaml"
TESTS = ROOT / "deploy" / "prometheus" / "tests"

Rule = dict[str, Any]


class RulesError(Exception):
    """Promtool refuses rules, or a test of them fails; the text is promtool's."""


def find_promtool() -> Path | None:
    """Return the path of promtool in this environment or on the machine; None if there is none."""
    return tools.find("promtool")


def rules(path: Path = RULES) -> list[Rule]:
    """Return all rules in order."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def check(promtool: Path, path: Path = RULES) -> None:
    """Check the rules of a file. Raises `RulesError`."""
    _run(promtool, "check", "rules", str(path))


def check_expressions(promtool: Path, expressions: Iterable[str]) -> None:
    """Check expressions that are not rules. Raises `RulesError`."""
    made = [{"record": f"expression:{n}", "expr": expr} for n, expr in enumerate(expressions)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expressions.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": made}]}))
        check(promtool, path)


def run_tests(promtool: Path, folder: Path = TESTS) -> int:
    """Run the tests of the rules; return how many files there are. Raises `RulesError`."""
    files = sorted(map(str, folder.glob("*.yaml")))
    _run(promtool, "test", "rules", *files)
    return len(files)


def _run(promtool: Path, *words: str) -> None:
    done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RulesError(f"{done.stdout}\n{done.stderr}".strip())
