#!/usr/bin/env bash
# Provides Redis for the tests with real servers of the shared state, as VENV/bin/redis-server:
#
#     scripts/redis_server.sh [VENV]
#
# It uses the machine's redis-server, if it is version 7 or later. Otherwise it downloads Debian's packages and
# unpacks them into VENV/redis, without root and without changing the machine (5 seconds, once). apt checks their
# signatures. If neither is possible, the script prints a message, and the tests on Redis are skipped with the same
# reason; those on Valkey run, since that server comes with the pinned Python packages.
set -euo pipefail

venv=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../.venv}")
ours=$venv/bin/redis-server
packages=(redis-server redis-tools libjemalloc2 liblzf1 libatomic1)

is_new_enough() {
    local version
    version=$("$1" --version 2>/dev/null | sed -nE 's/.*v=([0-9]+).*/\1/p') || return 1
    [[ -n $version && $version -ge 7 ]]
}

if is_new_enough "$ours" || is_new_enough redis-server; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "redis: no redis-server 7 here, and no apt to bring Debian's: tests on Redis are left out"
    exit 0
fi
folder=$venv/redis
rm -rf "$folder"
mkdir -p "$folder"/state/lists/partial "$folder"/cache/archives/partial
# Its own lists and cache: no root is needed.
apt=(apt-get -qq -o "Dir::State=$folder/state" -o Dir::State::status=/var/lib/dpkg/status
    -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User= -o Acquire::Retries=3)
echo "redis: Debian's packages, unpacked in $folder"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! (cd "$folder" && timeout 300 "${apt[@]}" update && timeout 300 "${apt[@]}" download "${packages[@]}") \
    >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "redis: apt could not bring ${packages[0]}: tests on Redis are left out" >&2
    exit 0
fi
for package in "$folder"/*.deb; do
    dpkg-deb -x "$package" "$folder/root"
done
rm -rf "$folder"/*.deb "$folder"/state "$folder"/cache
libraries=$(dirname "$(find "$folder/root" -name 'libjemalloc.so.2' | head -n 1)")
cat >"$ours" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec "$folder/root/usr/bin/redis-server" "\$@"
END
chmod +x "$ours"
if ! is_new_enough "$ours"; then
    rm -f "$ours"
    echo "redis: apt brought none of version 7 or later: tests on Redis are left out" >&2
fi
