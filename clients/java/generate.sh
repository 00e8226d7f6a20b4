#!/usr/bin/env bash
# Generates the stubs of the Java client from protos/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./toolchain.sh
rm -rf src/main/stubs
./mvnw --quiet --batch-mode --no-transfer-progress -P stubs protobuf:generate@stubs
