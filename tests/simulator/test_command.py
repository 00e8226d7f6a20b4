from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from gateway.simulator import SimulatorSettings, add_arguments, run

_PROGRAM = (
    "import argparse; from gateway.simulator import add_arguments, run; parser = argparse.ArgumentParser(); "
    "add_arguments(parser); raise SystemExit(run(parser.parse_args()))"
)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_a_signal(number: signal.Signals) -> None:
    """The command prints one line of variables with which a plain client gets an answer; a signal ends it
    with 0.
    """
    environment = os.environ | {"AWS_ACCESS_KEY_ID": "AKIDOWN", "AWS_SECRET_ACCESS_KEY": "mine"}
    arguments = [sys.executable, "-c", _PROGRAM, "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            exports = dict(word.split("=") for word in process.stdout.readline().split() if "=" in word)
            assert state(exports) == "Running"
            v2 = exports | {
                "AWS_ENDPOINT_URL_CONNECTCAMPAIGNS": exports["AWS_ENDPOINT_URL_CONNECTCAMPAIGNSV2"]
            }
            assert state(v2) == "Running"
            own = {"AWS_ACCESS_KEY_ID": "AKIDOWN", "AWS_SECRET_ACCESS_KEY": "mine"}
            assert state(exports | own) == "Running"
            with pytest.raises(ClientError, match="InvalidSignatureException"):
                state(exports | {"AWS_SECRET_ACCESS_KEY": "wrong"})
            process.send_signal(number)
            assert process.wait(timeout=5) == 0
        finally:
            process.kill()


def state(exports: dict[str, str]) -> str:
    client = boto3.client(
        "connectcampaigns",
        endpoint_url=exports["AWS_ENDPOINT_URL_CONNECTCAMPAIGNS"],
        region_name=exports["AWS_DEFAULT_REGION"],
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        return client.get_campaign_state(id="any")["state"]
    finally:
        client.close()


@pytest.mark.parametrize(
    "arguments", [("--port", "70000"), ("--rate", "-1"), ("--host", "192.0.2.1"), ("--burst", "0")]
)
def test_bad_arguments_end_with_one_line(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments or an address that cannot be used end with one line and exit code 2."""
    assert run(parse(*arguments)) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "values",
    [
        {"call_rate": -1.0},
        {"call_rate": float("nan")},
        {"call_burst": 0.0},
        {"port": 65536},
        {"latency_s": -1.0},
    ],
)
def test_invalid_settings_are_refused(values: dict[str, Any]) -> None:
    """A setting out of its range is an error that names it."""
    with pytest.raises(ValueError, match=next(iter(values))):
        SimulatorSettings(**values)


def test_secrets_are_not_shown() -> None:
    """The settings' repr leaves the credentials out."""
    assert "mine" not in repr(SimulatorSettings(credentials={"AKIDOWN": "mine"}))
