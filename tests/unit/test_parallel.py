"""Which tests share a worker, and which start first."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.parallel import COMPUTING, FIRST_GROUPS, GROUPS, LONGEST, group_of, in_order, rank_of

TESTS_THAT_NAME_THEIR_WORKER = """
import os, time, pytest

@pytest.mark.parametrize("number", range(6))
def test_it(number):
    time.sleep(0.05)
    print("{kind}", os.environ["PYTEST_XDIST_WORKER"])
"""
TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("start", [*GROUPS, *LONGEST, *COMPUTING])
def test_what_is_listed_is_there(start: str) -> None:
    file, _, test = start.partition("::")
    name = test.partition("[")[0]
    assert (TESTS / file).exists()
    assert not name or f"def {name}(" in (TESTS / file).read_text()


def test_the_tests_of_a_group_run_on_one_worker(tmp_path: Path) -> None:
    """Other tests run on whichever worker is free."""
    for name, kind in (("packaging", "grouped"), ("unit", "other")):
        folder = tmp_path / "tests" / name
        folder.mkdir(parents=True)
        (folder / f"test_{kind}.py").write_text(TESTS_THAT_NAME_THEIR_WORKER.format(kind=kind))
    (tmp_path / "conftest.py").write_text(
        "from tests import parallel\ndef pytest_configure(config): config.pluginmanager.register(parallel)\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ("-rP", "-p", "xdist", "-n", "3", "--import-mode=importlib", "-p", "no:cacheprovider")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(TESTS.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "12 passed" in done.stdout, done.stdout + done.stderr
    workers = re.findall(r"^(grouped|other) (\w+)$", done.stdout, re.MULTILINE)
    assert len({worker for kind, worker in workers if kind == "grouped"}) == 1
    assert len({worker for kind, worker in workers if kind == "other"}) > 1


def test_groups() -> None:
    assert group_of("tests/packaging/test_wheels.py::test_a") == "packaging"
    assert group_of("tests/faults/test_small.py::test_a_fault_run[forced]") == "faults"
    assert group_of("tests/faults/test_small.py::test_a_fault_run[fleet-store-direct]") == "faults of a fleet"
    assert group_of("tests/unit/test_parallel.py::test_groups") is None


def test_groups_start_first_and_short_tests_last() -> None:
    ids = (
        "packaging/test_wheels.py::test",
        "faults/test_soak.py::test",
        "deploy/test_helm.py::test",
        "client/a.py::b",
    )
    ranks = [rank_of(f"tests/{nodeid}") for nodeid in ids]
    assert ranks == sorted(set(ranks))


def test_tests_that_compute_are_spread_among_those_that_wait() -> None:
    """Long tests are in few files, so the order mixes the tests of all files."""
    waiting = [f"tests/integration/test_a.py::test[{number}]" for number in range(100)]
    long = [f"tests/simulation/test_b.py::test[{number}]" for number in range(100)]
    computing = [*long, *(f"tests/unit/test_c.py::test[{number}]" for number in range(100))]
    order = in_order([*computing, *waiting])
    assert sorted(order) == sorted([*computing, *waiting])
    for begin in range(0, 300, 30):
        part = order[begin : begin + 30]
        assert sum(nodeid in waiting for nodeid in part) == pytest.approx(10, abs=1)
        assert sum(nodeid in long for nodeid in part) == pytest.approx(10, abs=8)


def test_files_with_tests_that_wait_are_mixed() -> None:
    """Otherwise all of the file whose tests wait longest could be left at the end."""
    files = [f"tests/{name}/test_a.py" for name in ("integration", "shared_state", "simulator")]
    order = in_order([f"{file}::test[{number}]" for file in files for number in range(100)])
    for begin in range(0, 300, 30):
        part = order[begin : begin + 30]
        assert all(sum(nodeid.startswith(file) for nodeid in part) > 2 for file in files)


def test_not_all_groups_start_at_once() -> None:
    groups = [f"tests/{start}" if "/" in start else start for start in GROUPS]
    others = [f"tests/integration/test_a.py::test[{number}]" for number in range(1000)]
    order = in_order([*others, *groups])
    assert [nodeid for nodeid in order if nodeid in groups] == groups
    assert order[:FIRST_GROUPS] == groups[:FIRST_GROUPS]
    begins = [order.index(nodeid) for nodeid in groups[FIRST_GROUPS - 1 :]]
    assert all(later - earlier > 10 for earlier, later in pairwise(begins))
