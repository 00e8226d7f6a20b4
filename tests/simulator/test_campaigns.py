from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from gateway.simulator import (
    BufferSize,
    CampaignState,
    NamedCampaign,
    SimulatedConnect,
    SimulatorSettings,
)
from gateway.simulator.campaigns import Campaigns
from gateway.simulator.errors import CallError
from tests.simulator.conftest import Account

INITIALIZED, RUNNING, PAUSED, STOPPED, *_ = CampaignState
LEGAL = {
    ("StartCampaign", INITIALIZED): RUNNING,
    ("PauseCampaign", RUNNING): PAUSED,
    ("ResumeCampaign", PAUSED): RUNNING,
    ("StopCampaign", RUNNING): STOPPED,
    ("StopCampaign", PAUSED): STOPPED,
}
MOVES = ("StartCampaign", "PauseCampaign", "ResumeCampaign", "StopCampaign")


@pytest.fixture
def campaigns() -> Campaigns:
    return Campaigns(BufferSize())


def test_a_campaign_is_running_by_default(campaigns: Campaigns) -> None:
    """A campaign that was never set up is Running."""
    assert campaigns.get("anything").state is RUNNING


def test_a_forgotten_campaign_is_unknown_until_its_state_is_set(campaigns: Campaigns) -> None:
    """Forgetting a campaign makes it unknown; setting its state makes it known again."""
    campaigns.forget("a")
    with pytest.raises(CallError) as caught:
        campaigns.get("a")
    assert caught.value.code == "ResourceNotFoundException"
    campaigns.set_state("a", PAUSED)
    assert campaigns.get("a").state is PAUSED


@pytest.mark.parametrize("state", CampaignState)
@pytest.mark.parametrize("move", MOVES)
def test_moves(campaigns: Campaigns, move: str, state: CampaignState) -> None:
    """A legal move changes the state; an illegal one names it and changes nothing."""
    campaigns.set_state("a", state)
    target = LEGAL.get((move, state))
    if target is not None:
        campaigns.move("a", move)
    else:
        with pytest.raises(CallError) as caught:
            campaigns.move("a", move)
        assert (caught.value.code, caught.value.state) == ("InvalidCampaignStateException", state)
    assert campaigns.get("a").state is (target or state)


def test_a_buffer_fills_and_drains_at_the_dialers_pace(campaigns: Campaigns) -> None:
    """A buffer accepts up to its capacity at once, and later as much as the dialer has removed."""
    campaigns.set_buffer("a", BufferSize(2, drain_per_s=1.0))
    campaign = campaigns.get("a")
    assert [campaign.buffered(0.0) for _ in range(3)] == [True, True, False]
    assert [campaign.buffered(1.0) for _ in range(2)] == [True, False]


def test_buffer_without_a_dialer_never_drains(campaigns: Campaigns) -> None:
    """With a drain of 0 a full buffer stays full; other campaigns are not affected."""
    campaigns.set_buffer("a", BufferSize(1))
    assert campaigns.get("a").buffered(0.0)
    assert not campaigns.get("a").buffered(1e6)
    assert campaigns.get("b").buffered(0.0)


def test_buffer_of_all_campaigns(campaigns: Campaigns) -> None:
    """A buffer set for all campaigns applies to campaigns used before and after."""
    campaigns.get("before")
    campaigns.set_buffer(None, BufferSize(0))
    assert not campaigns.get("before").buffered(0.0)
    assert not campaigns.get("after").buffered(0.0)


@pytest.mark.parametrize(("capacity", "drain_per_s"), [(-1, 0.0), (1, -1.0)])
def test_an_invalid_buffer_is_refused(capacity: int, drain_per_s: float) -> None:
    """A negative capacity or drain raises an error."""
    with pytest.raises(ValueError, match="must be 0 or more"):
        BufferSize(capacity, drain_per_s)


def test_named_campaigns_are_listed_by_their_own_api() -> None:
    """Campaigns of the settings run from the start. Only their own API lists them, with name and tags."""
    named = (NamedCampaign("id-1", "debt", {"team": "billing"}), NamedCampaign("id-2", "surveys", api="v2"))
    account = Account(SimulatedConnect(SimulatorSettings(campaigns=named, verify_signatures=False)))
    listed = {
        path: json.loads(account.call("POST", path).body)["campaignSummaryList"]
        for path in ("/campaigns-summary", "/v2/campaigns-summary")
    }
    assert [(one["id"], one["name"]) for one in listed["/campaigns-summary"]] == [("id-1", "debt")]
    assert [(one["id"], one["name"]) for one in listed["/v2/campaigns-summary"]] == [("id-2", "surveys")]
    arn = quote(listed["/campaigns-summary"][0]["arn"], safe="")
    assert json.loads(account.call("GET", f"/tags/{arn}").body) == {"tags": {"team": "billing"}}
    account.connect.rename_campaign("id-1", "debt north", None)
    (summary,) = json.loads(account.call("POST", "/campaigns-summary").body)["campaignSummaryList"]
    assert summary["name"] == "debt north"
