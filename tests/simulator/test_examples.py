"""The example list is for campaigns that the simulated account has."""

import csv
from pathlib import Path

from gateway.simulator import EXAMPLE_CAMPAIGNS

LEADS = Path(__file__).parents[2] / "examples" / "leads.csv"


def test_the_campaigns_of_the_example_list_exist() -> None:
    """The list names each campaign by its id; its tokens begin with the campaign's name."""
    names = {campaign.id: campaign.name for campaign in EXAMPLE_CAMPAIGNS}
    with LEADS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["campaign_id"] for row in rows} == set(names)
    assert all(row["client_token"].startswith(names[row["campaign_id"]]) for row in rows)
