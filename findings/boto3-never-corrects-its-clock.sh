#!/usr/bin/env bash
# boto3 signs by the local clock even after AWS's replies have shown that the clock is wrong.
#
# Versions: boto3 and botocore 1.44.5 from PyPI; Python 3.11 or later.
# Expected: AWS refuses a signature that is more than five minutes off (InvalidSignatureException, "Signature
#   expired" or "not yet current"), and its reply carries the right time in the header Date. AWS's SDKs for
#   JavaScript, Java and Go correct their clock by that header and succeed with the second request.
# Observed: every request of one client is signed by the local clock, also after any number of such replies, and
#   the error names the signature. Neither the client nor its events show that the clock is the cause.
# Who is affected: callers of any AWS service on a machine whose clock is off, and the people who read their errors: the
#   keys look wrong but are not.
# What to do: compare Date with the local clock in a handler of `response-received`; as a workaround, sign in
#   `before-sign` and return botocore.UNSIGNED in `choose-signer`.
#
# Exits with 0 as long as botocore behaves so, and with 1 when it corrects its clock.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install boto3==1.44.5 botocore==1.44.5
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

OFF_S = 600.0
stamps: list[float] = []


class Aws(BaseHTTPRequestHandler):
    """An AWS whose clock is ten minutes ahead of this machine's."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        stamp = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        stamps.append(stamp.timestamp() - time.time())
        body = b'{"message":"Signature expired: it is now earlier than the limit"}'
        self.send_response_only(403)
        self.send_header("Date", formatdate(time.time() + OFF_S, usegmt=True))
        self.send_header("x-amzn-RequestId", "0")
        self.send_header("x-amzn-ErrorType", "InvalidSignatureException")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Aws)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client(
    "connectcampaigns",
    region_name="us-east-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
)
print(f"boto3 {boto3.__version__}, botocore {botocore.__version__}, Python {sys.version.split()[0]}")
for number in range(4):
    try:
        client.list_campaigns()
    except ClientError as error:
        print(f"call {number + 1}: {error.response['Error']['Code']}, signed {stamps[-1]:+.0f} s from the local clock")
corrected = any(abs(stamp - OFF_S) < 60.0 for stamp in stamps)
print("botocore corrects its clock" if corrected else f"{len(stamps)} requests, none corrected by the Date of the replies")
sys.exit(1 if corrected else 0)
PYTHON
