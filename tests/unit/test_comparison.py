"""README compares the gateway with boto3's default configuration."""

import re
from pathlib import Path

import boto3
import pytest

from benchmarks.quota.peer import RETRIES
from benchmarks.quota.services import DEFAULT_RETRIES, PEERS

README = Path(__file__).resolve().parents[2] / "README.md"
MODES = {name: mode for name, mode in PEERS.items() if "batches" in name}


@pytest.mark.parametrize(("name", "mode"), MODES.items())
def test_a_contender_has_the_retries_that_it_is_named_after(
    monkeypatch: pytest.MonkeyPatch, name: str, mode: str
) -> None:
    """The one of the default is configured by nothing, so it follows boto3 if that changes again."""
    monkeypatch.delenv("AWS_RETRY_MODE", raising=False)
    session = boto3.Session("key", "secret", region_name="us-east-1")
    client = session.client("connectcampaigns", config=RETRIES.get(mode))
    retries: dict[str, object] = getattr(client.meta.config, "retries")  # noqa: B009 - not in its types
    assert name.endswith(str(retries["mode"]))
    assert (mode in RETRIES) is (not name.endswith(DEFAULT_RETRIES))


def test_readme_names_the_default() -> None:
    rows = re.findall(r"^\| boto3, batches, `(\w+)` retries(.*?) \|", README.read_text(), re.MULTILINE)
    assert [(mode, "default" in more and "former" not in more) for mode, more in rows] == [
        (name.rpartition(" ")[2], name.endswith(DEFAULT_RETRIES)) for name in MODES
    ]
