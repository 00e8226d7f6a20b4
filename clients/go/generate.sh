#!/usr/bin/env bash
# Generates the stubs of the Go client from protos/.
#
#     clients/go/generate.sh [FOLDER]
#
# FOLDER is where gen/ is written; by default beside this file. BUF names the buf program; by default that of .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
MISSING_TOOLCHAIN=0 source ./toolchain.sh
"${BUF:-../../.venv/bin/buf}" generate --template buf.gen.yaml --output "${1:-.}" ../..
