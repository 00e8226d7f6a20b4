#!/usr/bin/env bash
# Checks the Go client: format, go vet, staticcheck, and that the committed stubs equal what protos/ generates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# Without Go, a developer may check the other parts; CI may not.
[[ ${CI:-} == true ]] || MISSING_TOOLCHAIN=0
source ./toolchain.sh

unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
    echo "clients/go: not formatted, run gofmt -w: $unformatted" >&2
    exit 1
fi
go vet ./...
go tool -modfile=tools/go.mod staticcheck ./...

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
./generate.sh "$fresh"
if ! diff -r "$fresh/gen" gen; then
    echo "clients/go: gen/ differs from protos/: run \`make protos\`" >&2
    exit 1
fi
echo "clients/go: format, vet, staticcheck and generated code are in order"
