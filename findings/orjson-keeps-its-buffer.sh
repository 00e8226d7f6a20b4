#!/usr/bin/env bash
# A short result of orjson.dumps takes four kilobytes of memory for as long as it is kept.
#
# Version: orjson 3.13.0 from PyPI; CPython 3.11 or later.
# Expected: the bytes object that `orjson.dumps` returns takes its length and 33 bytes, as `sys.getsizeof` says, and as
#   the result of `json.dumps(...).encode()` does.
# Observed: for 586 bytes of JSON, Python has allocated about 4,100 bytes. orjson writes into a bytes object that is
#   large enough for more, then shortens it without returning the rest of its memory. `sys.getsizeof` does not show it.
# Who is affected: programs that keep many short results, such as a cache or a queue: they need several times the memory
#   that they compute.
# What to do: keep a copy, `bytes(memoryview(orjson.dumps(value)))`. Results that are sent or written at once need none.
#
# Exits with 0 as long as it behaves so, and with 1 when a result takes about its own length.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install orjson==3.13.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
import tracemalloc

import orjson

value = {f"attribute-{number}": "x" * 100 for number in range(5)}


def allocated(make):
    """Return the bytes that Python has allocated for each of a thousand kept results."""
    kept = [None] * 1000
    tracemalloc.start()
    for number in range(len(kept)):
        kept[number] = make()
    total = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return total // len(kept), sys.getsizeof(kept[0])


results = {
    "json.dumps(...).encode()": allocated(lambda: json.dumps(value, separators=(",", ":")).encode()),
    "orjson.dumps": allocated(lambda: orjson.dumps(value)),
    "a copy of orjson.dumps": allocated(lambda: bytes(memoryview(orjson.dumps(value)))),
}
print(f"Python {sys.version.split()[0]}, orjson {orjson.__version__}")
for name, (taken, said) in results.items():
    print(f"{name}: {taken} bytes allocated for each result, sys.getsizeof says {said}")
taken, said = results["orjson.dumps"]
sys.exit(0 if taken > 3 * said else 1)
PYTHON
