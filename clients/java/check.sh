#!/usr/bin/env bash
# Checks the Java client: format, javac's and Error Prone's warnings, doc comments, and that the committed stubs equal
# what protos/ generates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# Without Java, a developer may check the other parts; CI may not.
[[ ${CI:-} == true ]] || MISSING_TOOLCHAIN=0
source ./toolchain.sh

fresh=target/stubs
rm -rf "$fresh"
./mvnw --batch-mode -P lint,stubs -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -Dstubs.directory="$PWD/$fresh" protobuf:generate@stubs spotless:check test-compile
if ! diff -r "$fresh" src/main/stubs; then
    echo "clients/java: src/main/stubs differs from protos/: run clients/java/generate.sh" >&2
    exit 1
fi
echo "clients/java: format, warnings, doc comments and generated code are in order"
