#!/usr/bin/env bash
# betterproto2 encodes a negative duration with a fraction as one that is a second longer: -0.25 s becomes +0.75 s.
#
# Versions: betterproto2 0.10.0 and betterproto2_compiler 0.10.1 with grpcio-tools 1.85.1 and protobuf 7.36.2 from PyPI;
#   Python 3.11 or later.
# Expected: a `timedelta` in a field of the type google.protobuf.Duration is encoded as the same duration: -0.25 s is 0
#   seconds and -250,000,000 nanoseconds, as Google's packages write it.
# Observed: betterproto2 rounds the seconds toward zero, but takes the fraction from the next lower second. So every
#   negative duration that is not a whole number of seconds arrives one second too long, also when betterproto2 itself reads the
#   message, and in JSON. From -1 s to 0 s the sign changes. Nothing is raised or logged.
# Who is affected: messages with differences of times, such as the skew of a clock, a delay that may be early, or an offset.
# What to do: send whole seconds, or a number of milliseconds in an int64 field.
#
# Exits with 0 as long as it behaves so, and with 1 when the durations arrive unchanged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install \
    betterproto2==0.10.0 betterproto2_compiler==0.10.1 grpcio-tools==1.85.1 protobuf==7.36.2
cat >"$folder/skew.proto" <<'PROTO'
syntax = "proto3";
package skew;
import "google/protobuf/duration.proto";
message Skew {
  google.protobuf.Duration by = 1;
}
PROTO
mkdir "$folder/better" "$folder/googles"
export PATH="$folder/venv/bin:$PATH"
python -m grpc_tools.protoc -I "$folder" --python_betterproto2_out="$folder/better" --python_out="$folder/googles" \
    "$folder/skew.proto" 2>/dev/null
cd "$folder"
PYTHONPATH="$folder:$folder/googles" python - <<'PYTHON'
import sys
from datetime import timedelta
from importlib.metadata import version

import skew_pb2
from better.skew import Skew

print("betterproto2", version("betterproto2"))
found = []
for seconds in (1.5, -0.25, -1.5, -2.75, -3.0):
    ours = timedelta(seconds=seconds)
    data = bytes(Skew(by=ours))
    received = skew_pb2.Skew.FromString(data).by.ToTimedelta().total_seconds()
    returned = Skew.parse(data).by.total_seconds()
    found.append((seconds, received, returned))
    print(f"{seconds:+.2f} s: protobuf receives {received:+.2f} s, betterproto2 itself {returned:+.2f} s")
wrong = [seconds for seconds, *others in found if others == [seconds + 1, seconds + 1]]
right = [seconds for seconds, *others in found if others == [seconds, seconds]]
sys.exit(0 if wrong == [-0.25, -1.5, -2.75] and right == [1.5, -3.0] else 1)
PYTHON
