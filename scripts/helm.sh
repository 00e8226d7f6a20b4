#!/usr/bin/env bash
# Brings helm for the checks of the chart: the machine's own, or one that Go builds into .venv/bin from the
# sources that deploy/tools/go.sum pins (minutes the first time, seconds from Go's cache). Where there is
# neither, the checks do without: they take what is committed in deploy/rendered/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pin=deploy/tools/go.mod
ours=.venv/bin/helm

if command -v helm >/dev/null || [[ $ours -nt $pin ]]; then
    exit 0
fi
wanted=$(awk '$1 == "go" {print $2}' "$pin")
found=$(go env GOVERSION 2>/dev/null | sed 's/^go//' || true)
if [[ -z $found || $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
    echo "helm: neither helm nor Go $wanted is here; what is committed in deploy/rendered is checked as it is"
    exit 0
fi
echo "helm: built by Go from the sources that deploy/tools/go.sum pins"
GOFLAGS=-mod=readonly go build -C deploy/tools -trimpath -ldflags='-s -w' -o "$PWD/$ours" helm.sh/helm/v4/cmd/helm
touch "$ours"
