#!/usr/bin/env bash
# Formats the TypeScript client, and fixes what eslint can fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
MISSING_TOOLCHAIN=0 # without Node.js, the other parts are formatted all the same
source ./toolchain.sh

npm run --silent fix
