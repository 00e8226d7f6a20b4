#!/usr/bin/env bash
# Brings promtool for the checks of the alerts: the machine's own, or that of Debian's package prometheus, fetched
# by apt and unpacked into VENV/bin (`scripts/promtool.sh [VENV]`), which takes no root and installs nothing. Where there is neither, the checks
# do without: rules and their tests are then only read.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
ours=$venv/bin/promtool

if command -v promtool >/dev/null || [[ -x $ours ]]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "promtool: neither promtool nor apt is here; alerts are checked as far as they can be read"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fetch() { (cd "$folder" && apt-get --quiet --quiet --option APT::Sandbox::User=root download prometheus); }
# Lists of packages that are old or missing are renewed, where this user may.
if ! fetch 2>/dev/null && ! { apt-get --quiet --quiet update && fetch; } >/dev/null 2>&1; then
    echo "promtool: apt has no package prometheus here; alerts are checked as far as they can be read"
    exit 0
fi
echo "promtool: from Debian's package prometheus"
dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar --extract --directory "$folder" ./usr/bin/promtool
mkdir -p "$venv/bin"
install "$folder/usr/bin/promtool" "$ours"
