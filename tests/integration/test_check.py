"""`dial-gateway check` with the real boto3 against the simulator and a fake STS."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from gateway.cli import main
from gateway.simulator import CampaignState, Fault, FaultKind, Simulator, SimulatorSettings
from tests import pki

ARN = "arn:aws:sts::111122223333:assumed-role/dialer/pod"
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Arn>{ARN}</Arn><UserId>AID</UserId><Account>111122223333</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)
REFUSED = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
    "<Message>secret</Message></Error></ErrorResponse>"
)


class Sts(BaseHTTPRequestHandler):
    """Answers GetCallerIdentity."""

    answer: ClassVar[tuple[int, str]] = (200, IDENTITY)

    def do_POST(self) -> None:
        """Answer a request."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Sts]]:
    """Run an STS and configure boto3 to use it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(Sts, "answer", (200, IDENTITY))
    yield Sts
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch, sts: type[Sts]) -> AsyncIterator[Simulator]:
    """Run a simulated Connect and configure boto3 to use it, with valid keys."""
    for name in ("DIAL_GATEWAY_LISTEN", "DIAL_GATEWAY_ADMIN_LISTEN", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulator")
    async with Simulator(SimulatorSettings()) as simulator:
        for version in ("", "V2"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_CONNECTCAMPAIGNS{version}", simulator.url)
        yield simulator


async def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and output."""
    code = await asyncio.to_thread(main.main, ["check", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


async def test_all_is_well(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings, credentials, identity and both rights are reported, the exit code is 0, and nothing is
    dialed.
    """
    code, said = await check(capsys)
    assert code == 0
    for words in ("settings", "boto3's chain: env", ARN, "PutDialRequestBatch", "GetCampaignStateBatch"):
        assert words in said
    assert "WRONG" not in said
    assert "nobody was dialed" in said
    assert not simulator.connect.journal.dials()


POLICY = """
version: 1
callers:
  - name: billing
    identities: ["spiffe://example.org/billing"]
    dial: [{campaigns: ["debt-*"], priority: HIGH}]
    hold: ["debt-*"]
    window: 500
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write certificate, key, authority, policy and token, and set the settings that name them."""
    ca = pki.Authority()
    ca.issue(dns="gateway.example.org").write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "token").write_text("a-token-of-some-length")
    for name, file in (
        *(("TLS_CERT", "tls.crt"), ("TLS_KEY", "tls.key"), ("TLS_CLIENT_CA", "ca.crt")),
        *(("POLICY", "policy.yaml"), ("ADMIN_TOKEN", "token")),
    ):
        monkeypatch.setenv(f"DIAL_GATEWAY_{name}_FILE", str(tmp_path / file))
    monkeypatch.setenv("DIAL_GATEWAY_TRUSTED_PROXIES", "10.1.0.0/16,::1")
    return tmp_path


async def test_certificates_policy_and_token_are_explained(
    simulator: Simulator, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The contents of the files are explained; neither key nor token is shown."""
    code, said = await check(capsys)
    assert code == 0
    for words in (
        "certificate for gateway.example.org, good for 1.0 more days; the key matches",
        f"callers must show a certificate of {folder}/ca.crt",
        "proxies in 10.1.0.0/16 may state the identities of callers",
        "billing: spiffe://example.org/billing may dial debt-* up to HIGH; hold debt-* (weight 1, ",
        "the admin port changes things for whoever shows it",
    ):
        assert words in said
    assert "PRIVATE" not in said
    assert "a-token-of" not in said


async def test_all_broken_files_are_reported(
    simulator: Simulator, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each unusable file is named with its fault, and the exit code is 1."""
    (folder / "tls.key").write_bytes(pki.Authority().issue().key_pem)
    (folder / "policy.yaml").write_text(POLICY.replace("hold", "holds"))
    (folder / "token").write_text("short")
    code, said = await check(capsys)
    assert code == 1
    for words in (
        "is not the key of the certificate",
        "callers[0].holds: unknown key",
        "at least 16 characters",
    ):
        assert words in said


async def test_a_gateway_without_a_policy_gives_a_warning(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a policy beyond loopback every caller may dial, which gives a warning and no error."""
    monkeypatch.setenv("DIAL_GATEWAY_LISTEN", "0.0.0.0:50051")
    code, said = await check(capsys)
    assert code == 0
    assert re.search(r"(?i)unsure +policy +none: everybody who can connect may dial, and hold", said)


async def test_rights_for_both_apis_are_checked(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If campaigns use both API versions, the rights for both are checked."""
    monkeypatch.setenv("DIAL_GATEWAY_CONNECT_API_BY_CAMPAIGN", "new-*=v2")
    code, said = await check(capsys)
    assert code == 0
    assert "PutOutboundRequestBatch" in said
    assert "DIAL_GATEWAY_CONNECT_API_BY_CAMPAIGN" in said


async def test_the_state_of_a_campaign(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A named campaign is looked up, and its state printed."""
    simulator.connect.set_state("c-1", CampaignState.PAUSED)
    code, said = await check(capsys, "--campaign", "c-1")
    assert code == 0
    assert "the campaign is Paused" in said
    assert not simulator.connect.journal.dials()


async def test_a_missing_right(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing right to put requests is named as in an IAM policy, and the exit code is 1."""
    denied = {"kind": FaultKind.EXCEPTION, "code": "AccessDeniedException", "status": 403, "count": 1}
    simulator.connect.add_fault(Fault(**denied))  # type: ignore[arg-type]
    code, said = await check(capsys)
    assert code == 1
    assert "the policy lacks connect-campaigns:PutDialRequestBatch" in said
    assert "something is wrong" in said


async def test_a_wrong_key(
    simulator: Simulator,
    sts: type[Sts],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Credentials that AWS refuses are reported with AWS's error code, without its text."""
    sts.answer = (403, REFUSED)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    code, said = await check(capsys)
    assert code == 1
    assert "InvalidClientTokenId" in said
    assert "InvalidSignatureException" in said
    assert "secret" not in said


async def test_an_unreachable_endpoint(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable endpoint is named; an unreachable STS alone is no error."""
    await simulator.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.url)
    code, said = await check(capsys)
    assert code == 1
    assert f"{simulator.url} cannot be reached" in said
    assert "unsure  identity" in said


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"])
async def test_missing_credentials_or_region(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without credentials or region the exit code is 1, and the output says what to set."""
    secret = ("AWS_SECRET_ACCESS_KEY",) if name == "AWS_ACCESS_KEY_ID" else ()
    for variable in (name, *secret, "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, said = await check(capsys)
    assert code == 1
    named = name if name == "AWS_ACCESS_KEY_ID" else "set AWS_DEFAULT_REGION or AWS_REGION"
    assert named in said


async def test_an_unusable_exporter(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unusable telemetry variable is named, and the other checks still run."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "statsd")
    code, said = await check(capsys)
    assert code == 1
    assert "OTEL_METRICS_EXPORTER: must be one of" in said
    assert ARN in said


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"])
async def test_a_timeout_of_hours(
    simulator: Simulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """OpenTelemetry's specification has milliseconds there. It is no fault, since it may be meant so."""
    monkeypatch.setenv(variable, "10000")
    code, said = await check(capsys)
    assert code == 0
    assert f"{variable}: 10000 seconds" in said
    monkeypatch.setenv(variable, "10")
    assert variable not in (await check(capsys))[1]


SKEWED = """<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature
expired: 20260101T000000Z is now earlier than 20260101T000500Z</Message></Error></ErrorResponse>"""


@pytest.mark.parametrize("off_s", [600.0, -600.0])
async def test_a_wrong_clock(
    sts: type[Sts],
    simulator: Simulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    off_s: float,
) -> None:
    """A clock that AWS does not accept is named with its offset, and the keys are not blamed."""
    sts.answer = (403, SKEWED.replace("Signature\nexpired", "Signature expired"))
    async with Simulator(SimulatorSettings(), clock=lambda: time.time() + off_s) as aws:
        for version in ("", "V2"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_CONNECTCAMPAIGNS{version}", aws.url)
        code, said = await check(capsys)
    assert code == 1
    assert "AWS refuses signatures of this clock" in said
    side = "behind" if off_s > 0 else "ahead of"
    (line,) = (line for line in said.splitlines() if " clock " in line and "AWS's" in line)
    assert line.startswith("WRONG")
    assert f"s {side} AWS's" in line
    assert "key" not in said.lower().split("boto3's chain", 1)[1]


async def test_the_trail_of_the_guard_is_checked(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trail needs a key and a writable folder. Its file is not opened, since a gateway may use it."""
    key, file = tmp_path / "key", tmp_path / "none" / "trail.jsonl"
    key.write_text("sixteen bytes or more")
    monkeypatch.setenv("DIAL_GATEWAY_GUARD_AUDIT_FILE", str(file))
    code, said = await check(capsys)
    assert code == 1
    assert re.search("WRONG +audit trail +DIAL_GATEWAY_GUARD_KEY_FILE: must be set", said)
    assert re.search(f"WRONG +cannot write {file}", said)
    file.parent.mkdir()
    monkeypatch.setenv("DIAL_GATEWAY_GUARD_KEY_FILE", str(key))
    code, said = await check(capsys)
    assert (code, file.exists()) == (0, False)
    assert re.search(f"ok +audit trail +{file}, and 100 earlier files at most", said)
