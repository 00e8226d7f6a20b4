#!/usr/bin/env bash
# Checks the TypeScript client: types, lint, format, and that the committed stubs equal what protos/ generates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# Without Node.js, a developer may check the other parts; CI may not.
[[ ${CI:-} == true ]] || MISSING_TOOLCHAIN=0
source ./toolchain.sh

npm run --silent check
echo "clients/typescript: types, lint, format and generated code are in order"
