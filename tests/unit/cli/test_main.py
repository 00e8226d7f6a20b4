"""The commands: a problem at the start ends with code 2 and one line, never with a traceback."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli import main, serve
from gateway.connect.credentials import AccessKeys
from gateway.settings import Settings
from tests import pki

KEYS = AccessKeys.fixed(*serve.SIMULATOR_KEYS)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the settings, AWS variables and OTEL_* variables of the machine that runs the tests."""
    for name in list(os.environ):
        if name.startswith(("DIAL_GATEWAY_", "AWS_", "OTEL_")):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("DIAL_GATEWAY_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("DIAL_GATEWAY_ADMIN_LISTEN", "127.0.0.1:0")


@pytest.fixture
def taken() -> Iterator[str]:
    """An address on which another socket listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must end with code 2 and one line on stderr; return the line."""
    assert main.main(arguments) == main.WRONG_USAGE
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def test_a_wrong_setting(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting with a wrong value is named, with its rule."""
    monkeypatch.setenv("DIAL_GATEWAY_CALL_RATE", "ten")
    line = refused(capfd, "serve", "--simulator")
    assert line == "dial-gateway: DIAL_GATEWAY_CALL_RATE: must be a number from 0 to 100000; got 'ten'"


def test_an_unreadable_file_of_settings(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file of settings that is not there is named."""
    missing = tmp_path / "missing.toml"
    monkeypatch.setenv("DIAL_GATEWAY_CONFIG", str(missing))
    assert refused(capfd, "serve", "--simulator").startswith(
        f"dial-gateway: DIAL_GATEWAY_CONFIG: cannot read {missing}: "
    )


def test_a_wrong_setting_also_stops_the_health_check(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The health check reads the same settings, and says the same of a wrong one."""
    monkeypatch.setenv("DIAL_GATEWAY_LISTEN", "nowhere")
    assert refused(capfd, "health").startswith("dial-gateway: DIAL_GATEWAY_LISTEN: must be HOST:PORT")


def test_no_region(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a region of AWS the gateway does not start, and says what is missing."""
    assert "set AWS_DEFAULT_REGION or AWS_REGION" in refused(capfd, "serve")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("expired", "DIAL_GATEWAY_TLS_CERT_FILE: the certificate in .*expired on"),
        ("mismatch", "DIAL_GATEWAY_TLS_KEY_FILE: .*is not the key of the certificate"),
        ("policy", "DIAL_GATEWAY_POLICY_FILE: .*: colors: unknown key"),
    ],
)
def test_files_of_access_that_cannot_be_used(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    case: str,
    words: str,
) -> None:
    """A certificate, policy or token that cannot be used ends the start, and says why."""
    ca = pki.Authority()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificate, key = ca.issue(not_after=yesterday if case == "expired" else None).write(tmp_path)
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\ncallers: [{identities: ['**']}]\n")
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    files = {"TLS_CERT": certificate, "TLS_KEY": key, "TLS_CLIENT_CA": tmp_path / "ca.crt", "POLICY": policy}
    if case == "mismatch":
        key.write_bytes(ca.issue().key_pem)
    elif case == "policy":
        policy.write_text("version: 1\ncolors: [red]\n")
    for name, path in files.items():
        monkeypatch.setenv(f"DIAL_GATEWAY_{name}_FILE", str(path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert re.match(f"dial-gateway: {words}", refused(capfd, "serve"))


def test_an_address_that_is_taken(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """A second gateway on the same address does not start, and names the address."""
    monkeypatch.setenv("DIAL_GATEWAY_LISTEN", taken)
    assert taken in refused(capfd, "serve", "--simulator")


def test_an_address_that_is_taken_for_the_simulator(capfd: pytest.CaptureFixture[str], taken: str) -> None:
    """The embedded simulator's address is named in the same way."""
    port = taken.rpartition(":")[2]
    assert port in refused(capfd, "serve", "--simulator", "--simulator-port", port)


@pytest.mark.parametrize(("option", "value"), [("port", "99999"), ("rate", "-1"), ("burst", "0")])
def test_a_simulator_that_cannot_be(capfd: pytest.CaptureFixture[str], option: str, value: str) -> None:
    """A number that no simulator can have is named, as a setting is."""
    line = refused(capfd, "serve", "--simulator", f"--simulator-{option}={value}")
    assert line.startswith("dial-gateway: --simulator")
    assert option in line


def test_an_endpoint_that_is_no_address(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint of AWS that is no URL is named."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere")
    assert "nowhere" in refused(capfd, "serve")


def test_an_exporter_that_is_not_known(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown span exporter is named in the error, with the known ones."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    line = refused(capfd, "serve", "--simulator")
    assert line == "dial-gateway: OTEL_TRACES_EXPORTER: must be one of otlp, console, none; got 'zipkin'"


def test_a_protocol_that_is_not_known(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown OTLP protocol is named in the error, with the supported ones."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    assert "must be grpc or http/protobuf" in refused(capfd, "serve", "--simulator")


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_SPAN_LINK_COUNT_LIMIT"]
)
def test_a_telemetry_variable_that_its_library_refuses(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An error of OpenTelemetry itself is reported in its own words, in one line."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv(name, "wrong")
    line = refused(capfd, "serve", "--simulator")
    assert line.startswith("dial-gateway: OTEL_*: ")
    assert "wrong" in line


def imported_with(module: str) -> set[str]:
    """Return the modules of a process that has imported a module and the command line."""
    program = f"import sys, gateway.cli.main, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


def test_a_gateway_imports_no_library_of_a_feature_that_is_off() -> None:
    """Each would take memory and time for nothing: together 20 MB, and a quarter of the time of the start."""
    imported = imported_with("gateway.cli.serve")
    assert {"gateway.app", "grpc", "aiohttp", "botocore.client"} <= imported
    assert not imported & {
        "boto3",
        "cryptography",
        "gateway.simulator",
        "holidays",
        "opentelemetry.exporter",
        "opentelemetry.proto",
        "phonenumbers",
        "requests",
        "valkey",
        "yaml",
    }


def test_the_health_check_does_not_import_the_gateway() -> None:
    """A container runs it every few seconds, so it imports gRPC and no other large library."""
    imported = imported_with("gateway.cli.health_check")
    assert "grpc" in imported
    assert not imported & {
        "gateway.app",
        "boto3",
        "botocore.session",
        "aiohttp",
        "opentelemetry",
        "structlog",
    }


def test_the_process_ends_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own also ends with code 2, one line and no traceback."""
    monkeypatch.setenv("DIAL_GATEWAY_MAX_ATTEMPTS", "0")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == main.WRONG_USAGE
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "dial-gateway: DIAL_GATEWAY_MAX_ATTEMPTS: must be a whole number from 1 to 100; got '0'"
    ]


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "--loudly"], ["demo"]])
def test_wrong_arguments(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Arguments that make no command end with code 2 and how the command is used."""
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == main.WRONG_USAGE
    assert capfd.readouterr().err.startswith("usage: dial-gateway")


def test_the_simulator_stands_in_for_connect() -> None:
    """Against the simulator no region and no credentials of the machine are needed."""
    connect = serve.connect_for(Settings(), "http://127.0.0.1:1", KEYS)
    assert connect.endpoint == "http://127.0.0.1:1"


def test_connect_is_found_as_aws_documents_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the simulator, region and endpoint come from the standard variables of AWS."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert "eu-west-2" in serve.connect_for(Settings(), None, KEYS).endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_CONNECTCAMPAIGNS", "http://127.0.0.1:4570")
    assert serve.connect_for(Settings(), None, KEYS).endpoint == "http://127.0.0.1:4570"
