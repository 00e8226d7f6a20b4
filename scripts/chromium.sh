#!/usr/bin/env bash
# Installs Chromium for the tests of the console. It uses the machine's Chromium (CHROMIUM names another), or installs
# Debian's by apt if this user may. Without a browser the console cannot be tested, so those tests then fail with a
# message.
set -euo pipefail

for name in "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "chromium: not here, and only root can get it by apt; install it, or name a Chromium in CHROMIUM" >&2
    exit 0
fi
echo "chromium: installed by apt"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }; then
    echo "chromium: apt could not install it" >&2
fi
