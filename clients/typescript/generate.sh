#!/usr/bin/env bash
# Generates the stubs in src/gen from protos/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
[[ ${CI:-} == true ]] || MISSING_TOOLCHAIN=0
source ./toolchain.sh

npm run --silent generate
