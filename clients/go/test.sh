#!/usr/bin/env bash
# Builds and tests the Go client, and builds its program for the scenarios of conformance/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./toolchain.sh

CGO_ENABLED=0 go build ./...
CGO_ENABLED=0 go build -o ../../build/conformance/go ./internal/conformance
# The detector of races needs a C compiler.
race=(-race)
[[ $(go env CGO_ENABLED) == 1 ]] || race=()
go test "${race[@]}" ./...
