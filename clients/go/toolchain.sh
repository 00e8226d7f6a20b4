# Sourced by the scripts beside it: ends with one line if Go is missing or too old. It ends with the code
# MISSING_TOOLCHAIN if that is set. The tools need a newer Go than the client.
wanted=$(awk '$1 == "go" {print $2}' tools/go.mod)
found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//' || true)
if [[ -z $found || $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
    echo "clients/go: needs Go $wanted or newer, finds ${found:-none}" >&2
    exit "${MISSING_TOOLCHAIN:-1}"
fi
# A module that go.sum does not pin is an error, and no other toolchain is fetched.
export GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false"
