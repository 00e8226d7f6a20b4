"""The installed gRPC library knows every option that is set. It would ignore an unknown one."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("gateway", "clients/python", "tests", "benchmarks", "scripts")
OPTION = re.compile(r"grpc(?!\.reflection|\.health)(\.[a-z0-9_]+)+")


def options_in(source: str) -> Iterator[str]:
    """Yield the names of options in a source: the first of a pair, the key of a dict or of an item."""
    for node in ast.walk(ast.parse(source)):
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            found = [node.elts[0]]
        elif isinstance(node, ast.Dict):
            found = list(node.keys)
        elif isinstance(node, ast.Subscript):
            found = [node.slice]
        for name in found:
            value = name.value if isinstance(name, ast.Constant) else None
            if isinstance(value, str) and OPTION.fullmatch(value):
                yield value


@cache
def options_set() -> list[tuple[str, str]]:
    """Return each option with a file that sets it."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    sources = {file: file.read_text(encoding="utf-8") for file in files}
    pairs = {
        (name, file) for file, source in sources.items() if "grpc." in source for name in options_in(source)
    }
    return sorted((name, str(file.relative_to(ROOT))) for name, file in pairs)


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Return all that looks like the name of an option in the compiled library."""
    found = importlib.util.find_spec("grpc._cython.cygrpc")
    assert found is not None
    assert found.origin is not None
    texts = re.findall(rb"grpc(?:\.[a-z0-9_]+)+", Path(found.origin).read_bytes())
    return {text.decode() for text in texts}


def test_the_library_knows_each_option(known: set[str]) -> None:
    """It is one test for all files: reading them for its parameters would take seconds of each run."""
    options = options_set()
    assert options
    assert [(name, file) for name, file in options if name not in known] == []


def test_a_name_that_grpc_does_not_have_would_be_found(known: set[str]) -> None:
    """The option that gRPC's documentation calls by the name of its constant in C is not one."""
    name = next(options_in('x = ("grpc.http2.min_recv_ping_interval_without_data_ms", 1)'))
    assert name not in known
    names = {name for name, _ in options_set()}
    assert {"grpc.http2.min_ping_interval_without_data_ms", "grpc.keepalive_time_ms"} <= names
