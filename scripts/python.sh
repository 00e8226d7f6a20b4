#!/usr/bin/env bash
# Prints the path of the first Python of the given versions that works here, in the order given:
#
#     scripts/python.sh 3.11 3.12
#
# It looks on PATH and among pyenv's versions, and tries each one: pyenv's shim of a version that is not selected
# is on PATH, but runs nothing.
set -euo pipefail

for version in "$@"; do
    for found in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
        if [[ -n $found ]] && "$found" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
            echo "$found"
            exit 0
        fi
    done
done
echo "python.sh: no Python ${*// /, } here, neither on PATH nor in pyenv" >&2
exit 1
