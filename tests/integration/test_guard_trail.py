"""The audit trail of a whole gateway has what it sends and refuses, and `dialctl audit` reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from dialgateway import DialGatewayClient
from dialgateway.dialctl import main
from gateway.composition.trail import trail_of
from gateway.settings import Settings, SettingsError
from tests.files import put
from tests.integration.admin import scrape
from tests.integration.world import PHONE, dial, verdicts, world_of

SUPPRESSED = "+12065550199"
KEY = "a key of 16 bytes or more"


def settings_of(folder: Path) -> dict[str, Any]:
    """Return settings with a guard that suppresses a number, and a trail."""
    put(folder / "dnc.txt", f"{SUPPRESSED}\n")
    put(
        folder / "guard.yaml",
        f"""\
version: 1
lists: {{dnc: {{file: {folder}/dnc.txt}}}}
rules:
  - {{name: all, campaigns: ["*"], hours: always, lists: [dnc], numbers: e164}}
""",
    )
    (folder / "key").write_text(KEY)
    return {
        "guard_file": str(folder / "guard.yaml"),
        "guard_key_file": str(folder / "key"),
        "guard_audit_file": str(folder / "{replica}.jsonl"),
        "replica": "gateway-1",
    }


async def test_what_is_sent_and_refused_is_in_the_trail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trail is whole after the gateway has stopped, and says which number was called."""
    async with world_of(**settings_of(tmp_path)) as world:
        answers = await world.ask(dial("yes"), dial("no", phone_number=SUPPRESSED))
        seen = await scrape(world.gateway.admin_port)
    assert verdicts(answers) == ["ACCEPTED", "REJECTED SUPPRESSED NEVER"]
    decisions = "dial_gateway_guard_decisions_total"
    assert seen.value(decisions, rule="all", reason="NONE", decision="accepted") == 1
    assert seen.value(decisions, rule="all", reason="SUPPRESSED", decision="refused") == 1
    assert seen.value("dial_gateway_guard_list_numbers", list="dnc") == 1
    assert seen.value("dial_gateway_guard_audit_failing", trail="file") == 0
    for number, counts in ((PHONE, (1, 0)), (SUPPRESSED, (0, 1))):
        code, found = audited(capsys, tmp_path, number)
        assert (code, found["whole"], found["lines"]) == (0, True, 4)
        assert (found["called"], found["refused"]) == counts
        assert found["records"][0]["rule"] == "all"
        assert found["trails"][0]["stopped"] is True


def audited(capsys: pytest.CaptureFixture[str], folder: Path, number: str) -> tuple[int, dict[str, Any]]:
    file, key = str(folder / "gateway-1.jsonl"), str(folder / "key")
    capsys.readouterr()
    code = main(["audit", number, file, "--key-file", key, "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


async def test_a_trail_without_rules_records_what_is_sent(tmp_path: Path) -> None:
    """No rule decided. It also records who has suppressed a number, and why."""
    settings = settings_of(tmp_path)
    del settings["guard_file"]
    async with world_of(**settings) as world, DialGatewayClient(world.target) as client:
        assert verdicts(await world.ask(dial("yes"))) == ["ACCEPTED"]
        await client.suppress_number(PHONE, "she asked")
        assert verdicts(await world.ask(dial("no"))) == ["REJECTED SUPPRESSED NEVER"]
    lines = [json.loads(line) for line in (tmp_path / "gateway-1.jsonl").read_text().splitlines()]
    assert [line.get("decision") for line in lines] == [None, "accepted", "suppressed", "refused", None]
    assert [line.get("rule") for line in lines] == [None, "", None, "live", None]
    assert lines[2]["caller"].startswith("ipv4:127.0.0.1:")
    assert lines[2]["detail"] == "she asked"
    assert lines[1]["number"] == lines[2]["number"]


def test_a_trail_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    """A trail without the key of its hashes ends the start too, and so does an export without a collector."""
    settings = settings_of(tmp_path)
    folder = {**settings, "guard_audit_file": str(tmp_path)}
    with pytest.raises(SettingsError, match=r"GUARD_AUDIT_FILE: cannot write .*: Is a directory"):
        trail_of(Settings(**folder), str.encode, {})
    keyless = {**settings, "guard_key_file": None}
    with pytest.raises(SettingsError, match="DIAL_GATEWAY_GUARD_KEY_FILE: must be set for an audit trail"):
        trail_of(Settings(**keyless), str.encode, {})
    exported = {**settings, "guard_audit_file": None, "guard_audit_otlp": True}
    with pytest.raises(SettingsError, match="DIAL_GATEWAY_GUARD_AUDIT_OTLP: needs a collector"):
        trail_of(Settings(**exported), str.encode, {})
