"""The image leaves out unused data, and still has everything that the gateway may call."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import botocore
import pytest

from tests.packaging.image import DIAL, KEY, SECRET, Image, gateway_from

CONNECT = {"connectcampaigns", "connectcampaignsv2"}
CLIENTS = re.compile(
    r"(?:_client_creator|create_nested_client|create_client)\(\s*(?:self\._session,\s*)?['\"]([\w-]+)['\"]"
)
"""Matches the places where botocore's credential providers create a client of a service."""
MAKE_CLIENTS = """
import sys, botocore.session
session = botocore.session.get_session()
print(*session.get_available_services())
for service in sys.argv[1:]:
    client = session.create_client(service, "eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    assert client.meta.endpoint_url.startswith("https://"), service
"""
LARGEST_MB = 95
"""The upper limit for the whole environment. It was 106 MB with the data of every service.
The tables of numbers, holidays and time zones take 12 MB; with names of places they took 57 MB."""


def called_for_credentials() -> set[str]:
    """Return the services that botocore calls to get credentials, found in its sources."""
    folder = Path(botocore.__file__).parent
    sources = [(folder / f"{name}.py").read_text() for name in ("credentials", "tokens", "utils")]
    return {service for source in sources for service in CLIENTS.findall(source)}


def test_the_image_has_data_of_exactly_the_called_services(image: Image) -> None:
    """A client can be created for the gateway's calls and for those of every credential provider, and for no
    other.
    """
    called = CONNECT | called_for_credentials()
    made = image.run("python", "-c", MAKE_CLIENTS, *sorted(called))
    assert made.returncode == 0, made.stderr
    assert set(made.stdout.split()) == called >= {"sts", "sso", "sso-oidc"}


def test_its_size(image: Image) -> None:
    files = [path.lstat().st_size for path in image.root.rglob("*") if path.is_file()]
    assert sum(files) / 1e6 < LARGEST_MB


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--simulator"),
        ("simulator", "--port", "0"),
        ("demo", "leads.csv"),
        ("fleet-demo", "leads.csv"),
    ],
)
def test_there_is_no_simulator(image: Image, words: tuple[str, ...]) -> None:
    """Each command that needs the simulator ends at once with one line that says so and what to do."""
    assert not list(image.root.glob("lib/*/site-packages/gateway/simulator"))
    ended = image.run("dial-gateway", *words)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "simulated Amazon Connect is not part of this installation" in ended.stderr
    assert "SIMULATOR=yes" in ended.stderr


class Sts(BaseHTTPRequestHandler):
    """An STS that exchanges a known token for credentials of a role, as for web identities on EKS."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = "Action=AssumeRoleWithWebIdentity" in asked and "WebIdentityToken=a-token" in asked
        ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = (
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<SessionToken>session</SessionToken><Expiration>{ends}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


@contextmanager
def sts() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sts) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_credentials_of_a_web_identity(image: Image, connect: str, tmp_path: Path) -> None:
    """With a role and a token as a pod on EKS has them, the image's gateway gets a dial request accepted."""
    token = tmp_path / "token"
    token.write_text("a-token")
    with sts() as url:
        variables = {
            "AWS_ENDPOINT_URL_STS": url,
            "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/dial-gateway",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        }
        with gateway_from(image, connect, **variables) as gateway:
            dialed = image.run("python", "-c", DIAL, gateway.address)
    assert dialed.stdout.split() == ["OUTCOME_ACCEPTED"], dialed.stderr


@pytest.mark.timed
def test_check_runs_from_the_image(image: Image, connect: str) -> None:
    """`dial-gateway check` reaches Connect with the image's own packages."""
    checked = image.run(
        "dial-gateway",
        "check",
        AWS_ENDPOINT_URL_CONNECTCAMPAIGNS=connect,
        AWS_ENDPOINT_URL_STS="http://127.0.0.1:1",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
    )
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert "GetCampaignStateBatch    allowed" in checked.stdout
