"""`-o json` and `-o wide`, `--version` and `completion`."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version

import pytest

from dialgateway.campaigns import (
    Action,
    ActionDone,
    ActionKind,
    Campaign,
    CampaignsSeen,
    CampaignState,
    Confirmation,
    HeldRequests,
    Hold,
    Replica,
    ReplicaPart,
)
from dialgateway.dialctl import main
from dialgateway.dialctl.campaign_table import MAX_WIDTHS, table_lines, wide_lines
from dialgateway.dialctl.output_format import IN_SECONDS, as_json, print_json
from dialgateway.dialctl.previous_runs import PreviousRuns
from dialgateway.dialctl.summary import NotAccepted, Summary
from dialgateway.values import Outcome, Reason

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))
PART = ReplicaPart("gateway-1", CampaignState.HELD, 5, 1, timedelta(seconds=2), {Outcome.ACCEPTED: 7}, 0.5)
CAMPAIGN = Campaign(
    campaign_id="c" * 60 + "\u202e",
    state=CampaignState.HELD,
    queued=5,
    in_flight=1,
    oldest_wait=timedelta(seconds=2.5),
    outcomes={Outcome.ACCEPTED: 7, Outcome.REJECTED: 2},
    accepted_per_second=0.5,
    reason=Reason.HELD,
    detail="",
    since=AT,
    retry_after=None,
    hold=Hold("svc", "complaints", AT, HeldRequests.WAIT),
    last_action=Action(ActionKind.HOLD, "svc", "complaints", AT, 3),
    replicas=(PART,),
)


def test_a_campaign_as_json() -> None:
    """Names are those of the client's fields, durations are seconds, instants are UTC."""
    assert as_json(CAMPAIGN) == {
        "campaign_id": CAMPAIGN.campaign_id,
        "state": "HELD",
        "queued": 5,
        "in_flight": 1,
        "oldest_wait_s": 2.5,
        "outcomes": {"ACCEPTED": 7, "REJECTED": 2},
        "accepted_per_second": 0.5,
        "reason": "HELD",
        "detail": "",
        "since": "2026-03-01T10:00:00.250000Z",
        "retry_after_s": None,
        "hold": {
            "caller": "svc",
            "reason": "complaints",
            "held_at": "2026-03-01T10:00:00.250000Z",
            "held_requests": "WAIT",
        },
        "last_action": {
            "kind": "HOLD",
            "caller": "svc",
            "reason": "complaints",
            "done_at": "2026-03-01T10:00:00.250000Z",
            "answered": 3,
        },
        "replicas": [
            {
                "replica": "gateway-1",
                "state": "HELD",
                "queued": 5,
                "in_flight": 1,
                "oldest_wait_s": 2.0,
                "outcomes": {"ACCEPTED": 7},
                "accepted_per_second": 0.5,
            }
        ],
        "name": "",
        "tags": {},
    }


@pytest.mark.parametrize(
    "kind", [Campaign, ReplicaPart, Action, ActionDone, Hold, Confirmation, CampaignsSeen, Replica]
)
def test_every_duration_has_its_unit_in_its_name(kind: type) -> None:
    """This holds for durations that are None too, and for fields that are added later."""
    durations = {field.name for field in fields(kind) if "timedelta" in str(field.type)}
    assert durations <= IN_SECONDS


def test_json_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """An id cannot control the terminal, and can be read back."""
    print_json({"campaign_id": CAMPAIGN.campaign_id + "\x1b]0;x\x07\n"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out)["campaign_id"] == CAMPAIGN.campaign_id + "\x1b]0;x\x07\n"


def test_wide_cuts_nothing() -> None:
    """It has the columns of the table, and more."""
    title, row = wide_lines([CAMPAIGN])
    assert re.split(r"  +", title)[-4:] == ["OUTCOMES", "REASON", "SINCE", "LAST ACTION"]
    assert "c" * 60 + "\\u202e" in row
    assert "7 ACCEPTED, 2 REJECTED" in row
    assert row.endswith("hold by svc at 12:00:00 UTC, 3 answered: complaints")
    assert "c" * (MAX_WIDTHS["CAMPAIGN"] + 1) not in table_lines([CAMPAIGN])[1]


def test_the_summary_by_campaign() -> None:
    """The text adds the campaigns together; `wide` and JSON have each."""
    counts = {("a", "ACCEPTED", ""): 2, ("b", "ACCEPTED", ""): 3, ("b", "REJECTED", "INVALID_INPUT"): 1}
    summary = Summary(Counter(counts), [NotAccepted(7, "REJECTED", "INVALID_INPUT", "d", "ab")])
    previous = PreviousRuns()
    previous.settled["ACCEPTED"] = 4
    lines = list(summary.lines(2.0, "r.csv", previous, wide=False))
    assert lines[:3] == [
        "6 leads in 0:02 (2.0 s, 3/s)",
        "          5  ACCEPTED",
        "          1  REJECTED INVALID_INPUT",
    ]
    assert "          1  b REJECTED INVALID_INPUT" in summary.lines(2.0, "r.csv", previous, wide=True)
    assert summary.document(2.0, "r.csv", previous) == {
        "leads": 6,
        "elapsed_s": 2.0,
        "counts": [
            {"campaign_id": "a", "outcome": "ACCEPTED", "reason": "", "count": 2},
            {"campaign_id": "b", "outcome": "ACCEPTED", "reason": "", "count": 3},
            {"campaign_id": "b", "outcome": "REJECTED", "reason": "INVALID_INPUT", "count": 1},
        ],
        "first_not_accepted": [
            {"line": 7, "outcome": "REJECTED", "reason": "INVALID_INPUT", "detail": "d", "trace_id": "ab"}
        ],
        "settled_by_earlier_runs": {"ACCEPTED": 4},
        "changed_since_accepted": 0,
        "failed_and_unchanged": [],
        "results": "r.csv",
    }


@pytest.mark.parametrize(
    "command", [["campaigns"], ["watch"], ["hold", "c"], ["release", "c"], ["purge", "c"], ["send", "f.csv"]]
)
def test_any_other_format_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2, and the message names the formats."""
    with pytest.raises(SystemExit) as ended:
        main([*command, "-o", "yaml"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(form in said for form in ("yaml", "text", "wide", "json"))


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints it without a command."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"dialctl {version('dial-gateway-client')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_has_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script for each of three shells completes them."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("purge", "connections", "tls-ca", "give-up-after", "wide"):
        assert word in script


def test_instants_are_utc() -> None:
    """An instant is printed in UTC, whatever its time zone is."""
    assert as_json(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00Z"
