#!/usr/bin/env bash
# Provides promtool for the checks and tests of the alerts in VENV/bin (`scripts/promtool.sh [VENV]`). It uses the
# machine's promtool if there is one. Otherwise it downloads Debian's package by apt and unpacks it there, which needs no
# root and installs nothing. Debian 13 has it in the package promtool, Debian 12 in prometheus. Without promtool, the
# checks only parse the rules and their tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
ours=$venv/bin/promtool
inside=./usr/bin/promtool

if command -v promtool >/dev/null || [[ -x $ours ]]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "promtool: neither promtool nor apt is here; alerts are checked as far as they can be read"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Downloads the first package that contains promtool, and unpacks it.
fetch() {
    local package
    for package in promtool prometheus; do
        (cd "$folder" && apt-get --quiet --quiet --option APT::Sandbox::User=root download "$package") || continue
        dpkg-deb --fsys-tarfile "$folder/$package"_*.deb | tar --extract --directory "$folder" "$inside" && return 0
    done
    return 1
}

# Updates missing or old package lists, if this user may.
if ! fetch 2>/dev/null && ! { apt-get --quiet --quiet update && fetch; } >/dev/null 2>&1; then
    echo "promtool: apt has it in no package here; alerts are checked as far as they can be read"
    exit 0
fi
echo "promtool: from Debian's packages"
mkdir -p "$venv/bin"
install "$folder/$inside" "$ours"
