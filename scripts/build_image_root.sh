#!/usr/bin/env bash
# Builds what the image runs: a virtual environment with the gateway, its client and their pinned
# dependencies, and nothing of the source tree. The Dockerfile and tests/packaging both run this.
#
#     scripts/build_image_root.sh ROOT WHEELS
#
# ROOT excludes the data of AWS services that the gateway never calls, tables of places and languages, and the simulated Amazon Connect, which must
# not run in production: it answers ACCEPTED and dials nobody. SIMULATOR=yes keeps it, to try the image out.
#
# ROOT is the final path of the environment: a virtual environment cannot be moved.
# WHEELS is a new folder for the two wheels. PYTHON names the interpreter, python3 if it is not set; its pip installs.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: $0 ROOT WHEELS" >&2
    exit 2
fi
mkdir -p "$2"
root=$1
wheels=$(cd "$2" && pwd)
python=${PYTHON:-python3}
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }

# The build tool of the wheels and its dependencies, pinned by dev.txt. pip refuses packages without a pin.
builder='hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers'
awk -v name="^($builder)==" '/^[^ #]/ { wanted = $0 ~ name } wanted' \
    "$tree/requirements/dev.txt" >"$work/build.txt"
"$python" -m venv --without-pip "$work/tools"
tools=(--python "$work/tools/bin/python")
pip "${tools[@]}" install --no-compile --require-hashes --only-binary :all: -r "$work/build.txt"
pip "${tools[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$wheels" "$tree/clients/python" "$tree"

"$python" -m venv --without-pip "$root"
pip --python "$root/bin/python" install --no-compile --require-hashes --only-binary :all: \
    -r "$tree/requirements/runtime.txt"
pip --python "$root/bin/python" install --no-compile --no-index --no-deps "$wheels"/dial_gateway*.whl
pip --python "$root/bin/python" check

site=$("$root/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
# Amazon Connect, and the services that boto3's credential providers call: roles and web identity (sts), IAM
# Identity Center (sso, sso-oidc), and `aws login` (signin). Files outside these folders are for all services.
services=' connectcampaigns connectcampaignsv2 signin sso sso-oidc sts '
for folder in "$site"/botocore/data/*/; do
    [[ $services == *" $(basename "$folder") "* ]] || rm -r "$folder"
done
# Names of places and of carriers, and texts in other languages: the gateway uses none, and they take 45 MB.
rm -r "$site/phonenumbers/geodata" "$site/phonenumbers/carrierdata"
find "$site/holidays/locale" -mindepth 1 -maxdepth 1 ! -name en_US -exec rm -r {} +
if [ "${SIMULATOR:-no}" != yes ]; then
    rm -r "$site/gateway/simulator"
fi
# The bytecode, at the end: a user without rights in ROOT cannot write it.
"$root/bin/python" -m compileall -q "$site"
