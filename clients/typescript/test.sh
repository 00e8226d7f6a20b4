#!/usr/bin/env bash
# Builds and tests the TypeScript client and its package, and builds its program for the scenarios of conformance/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./toolchain.sh

npm run --silent build
npm run --silent check-package
npm run --silent test
