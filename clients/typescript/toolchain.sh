# Sourced by the scripts beside it: ends with one line if Node.js is missing or too old, with the code MISSING_TOOLCHAIN
# if that is set. Then installs what package-lock.json pins, if that has changed.
wanted=20.19.0
found=$(node --version 2>/dev/null | sed 's/^v//' || true)
if [[ -z $found || $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]] || ! command -v npm >/dev/null; then
    echo "clients/typescript: needs Node.js $wanted or newer with npm, finds ${found:-none}" >&2
    exit "${MISSING_TOOLCHAIN:-1}"
fi
mkdir -p build
(
    flock 9 # two of these scripts may run at the same time
    if ! cmp -s package-lock.json build/.installed; then
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
        cp package-lock.json build/.installed
    fi
) 9>build/.lock
