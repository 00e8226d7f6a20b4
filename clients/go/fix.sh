#!/usr/bin/env bash
# Formats the Go client.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
MISSING_TOOLCHAIN=0 # without Go, the other parts are formatted all the same
source ./toolchain.sh

gofmt -w .
