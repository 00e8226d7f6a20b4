#!/usr/bin/env bash
# `--dist loadgroup` of pytest-xdist has no effect with pytest 9.2.0: tests of a group run on several workers.
#
# Versions: pytest-xdist 3.8.0 and pytest 9.2.0 from PyPI, compared with pytest 8.4.2; Python 3.11 or later.
# Expected: with `--dist loadgroup`, all tests with `@pytest.mark.xdist_group("name")` run on one worker.
# Observed: they are spread over the workers, without an error or a warning. xdist appends "@name" to the private
#   attribute `_nodeid` of each test, and the controller groups tests by that suffix of their ids. The ids that
#   pytest 9.2.0 reports do not have the suffix.
# Who is affected: suites whose groups share something expensive, such as a container, which each worker now makes
#   for itself, and suites whose groups must not run at the same time, such as tests of one port or one file.
# What to do: hand out tests with a scheduler of one's own (the hook `pytest_xdist_make_scheduler` and a subclass of
#   `LoadScopeScheduling` whose `_split_scope` returns the group of a node id), or use `--dist loadfile`.
#
# Exits with 0 as long as it behaves so, and with 1 when the tests of a group run on one worker.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/test_groups.py" <<'PYTHON'
import time

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_it(number, worker_id):
    time.sleep(0.05)  # so that every worker gets its turn
    print("ran on", worker_id)
PYTHON

# Print on how many workers the tests of the one group ran with a version of pytest.
workers() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" --quiet --disable-pip-version-check install pytest-xdist==3.8.0 "pytest==$1"
    "$folder/$1/bin/python" -m pytest --rootdir "$folder" -p no:cacheprovider -rP -n 4 --dist loadgroup \
        "$folder/test_groups.py" >"$folder/$1.txt"
    grep -q '^=* 8 passed' "$folder/$1.txt"
    grep '^ran on' "$folder/$1.txt" | sort -u | wc -l
}

before=$(workers 8.4.2)
now=$(workers 9.2.0)
echo "pytest-xdist 3.8.0 with pytest 8.4.2: a group of 8 tests ran on $before of 4 workers"
echo "pytest-xdist 3.8.0 with pytest 9.2.0: a group of 8 tests ran on $now of 4 workers"
[[ $before -eq 1 && $now -gt 1 ]]
