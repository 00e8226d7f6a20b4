#!/usr/bin/env bash
# Formats the Java client.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
MISSING_TOOLCHAIN=0 # without Java, the other parts are formatted all the same
source ./toolchain.sh

./mvnw --batch-mode -P lint -Dorg.slf4j.simpleLogger.defaultLogLevel=warn spotless:apply
