#!/usr/bin/env bash
# Builds and tests the Java client: the jar with its sources and documentation, and the program for the scenarios of
# conformance/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./toolchain.sh
./mvnw --batch-mode --no-transfer-progress verify
