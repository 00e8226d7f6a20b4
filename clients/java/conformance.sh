#!/usr/bin/env bash
# Runs the program of the conformance tests; test.sh builds it.
set -euo pipefail
target=$(dirname "${BASH_SOURCE[0]}")/target
exec java -Xmx64m -XX:+UseSerialGC -cp "$target/test-classes:$target/classes:$(<"$target/classpath.txt")" \
    com.dialgateway.conformance.ConformanceProgram "$@"
