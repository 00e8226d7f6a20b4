"""What is written before the workers start is what pytest and Hypothesis read."""

import gzip
import json
import unicodedata
from pathlib import Path

import pytest
from _pytest.assertion import rewrite as internals
from hypothesis import configuration

from tests import caches


def test_the_bytecode_of_tests_has_rewritten_assertions(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """pytest takes what is written, until the test changes."""
    test, module, wrong = tmp_path / "test_a.py", tmp_path / "made.py", tmp_path / "test_wrong.py"
    test.write_text("def test():\n    assert 1 == 2\n")
    module.write_text("made = 1\n")
    wrong.write_text("def\n")

    caches.write(pytestconfig, [wrong, test, module])

    folder = internals.get_cache_dir(test)
    cached = folder / f"test_a{internals.PYC_TAIL}"
    code = internals._read_pyc(test, cached)
    assert code is not None
    assert "@pytest_ar" in code.co_names
    assert list(folder.glob("made.*.pyc"))
    assert not list(folder.glob("test_wrong*"))

    test.write_text("def test():\n    assert 1 == 1 + 1\n")
    assert internals._read_pyc(test, cached) is None
    caches.write(pytestconfig, [test])
    assert internals._read_pyc(test, cached) is not None


def test_hypothesis_keeps_its_tables_of_characters() -> None:
    """What is written once is there for all workers of this version of Python."""
    caches.write_tables()
    folder = configuration.storage_directory("unicode_data").path / unicodedata.unidata_version
    (table,) = folder.glob("codec-*-utf-8.json.gz")
    encodable, _ = json.loads(gzip.decompress(table.read_bytes()))
    assert encodable[0][0] == 0
