#!/usr/bin/env bash
# Builds the tools that check the chart into VENV/bin: kubeconform, helm-unittest and helm-docs.
#
#     scripts/chart_tools.sh [VENV]
#
# No package registry has them as programs, so Go builds them from the sources that deploy/tools/chart/go.sum pins: about a
# minute and a half the first time on two cores, seconds afterwards. Without Go it prints a message, and the checks use
# what they can do without the tools. docs/decisions/0069 explains why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
module=deploy/tools/chart
packages=(
    github.com/yannh/kubeconform/cmd/kubeconform
    github.com/norwoodj/helm-docs/cmd/helm-docs
    github.com/helm-unittest/helm-unittest/cmd/helm-unittest
)

missing=()
for package in "${packages[@]}"; do
    [[ $venv/bin/${package##*/} -nt $module/go.mod ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi
wanted=$(awk '$1 == "go" {print $2}' "$module/go.mod")
found=$(go env GOVERSION 2>/dev/null | sed 's/^go//' || true)
if [[ -z $found || $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
    echo "chart: Go $wanted is not here, so kubeconform, helm-unittest and helm-docs do not run"
    exit 0
fi
echo "chart: Go builds ${missing[*]##*/} from the sources that $module/go.sum pins"
mkdir -p "$venv/bin"
GOFLAGS=-mod=readonly go build -C "$module" -trimpath -ldflags='-s -w' -o "$(realpath "$venv")/bin/" "${missing[@]}"
for package in "${missing[@]}"; do
    touch "$venv/bin/${package##*/}"
done
