#!/usr/bin/env bash
# Brings HAProxy and nginx for the tests behind real proxies: the machine's own, or Debian's packages (root
# needed). They are not started as services: the tests run them themselves, on ports of their own. Where they
# cannot be had, it says so and changes nothing: those tests are left out, with the same reason.
set -euo pipefail

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
# A package starts its service unless this file says no; one that is there already is the machine's own word.
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
