#!/usr/bin/env bash
# Installs the packages that requirements/dev.txt pins:
#
#     scripts/install.sh VENV
#
# Their wheels stay in VENV/wheels, with a copy of the requirements. The tests build the environment of the image from
# them: pip takes 10 seconds of processor time to read the index of a few dozen packages. If a package has no wheel
# for this machine, there is no such folder, and the tests read the index as well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$1
pins=requirements/dev.txt
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

echo "installing the packages that $pins pins into $venv, which takes one to two minutes"
rm -rf "$venv/wheels"
if pip download --only-binary :all: --require-hashes --requirement "$pins" --dest "$venv/wheels"; then
    pip install --no-index --find-links "$venv/wheels" --require-hashes --requirement "$pins"
    cp "$pins" "$venv/wheels/requirements.txt"
else
    rm -rf "$venv/wheels"
    pip install --require-hashes --requirement "$pins"
fi
