"""The rules for campaign ids.

Source: botocore models `connectcampaigns/2021-01-30` (V1) and `connectcampaignsv2/2024-04-23` (V2).
botocore does not check them by itself. Messages name the field and the rule, never the value.
"""

import re

CAMPAIGN_ID_LIMIT = 256
_campaign_id = re.compile(r"\S{1,256}").fullmatch
_campaign_id_of_v2 = re.compile(r"[-:/a-zA-Z0-9]{1,256}").fullmatch


def problem_with_campaign(campaign_id: str) -> str | None:
    """Return the rule that a campaign id breaks under both APIs, or None if V1 takes it.

    V1 takes every id that V2 takes.
    """
    if not _campaign_id(campaign_id) or campaign_id in {".", ".."}:
        return _campaign_problem(campaign_id)
    return None


def problem_with_campaign_of_v2(campaign_id: str) -> str | None:
    """Return the rule of V2 that a campaign id breaks, or None."""
    if _campaign_id_of_v2(campaign_id):
        return None
    if not campaign_id:
        return "campaign_id: required"
    return f"campaign_id: 1 to {CAMPAIGN_ID_LIMIT} of a-z, A-Z, 0-9, '-', ':', '/'"


def _campaign_problem(campaign_id: str) -> str:
    if not campaign_id:
        return "campaign_id: required"
    if campaign_id in {".", ".."}:  # libraries resolve them as parts of a path: another API's address
        return "campaign_id: must not be '.' or '..'"
    return f"campaign_id: at most {CAMPAIGN_ID_LIMIT} characters, no white space"
