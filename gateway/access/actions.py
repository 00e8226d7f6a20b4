"""What can be done with a campaign, apart from dialing."""

from enum import StrEnum


class CampaignRight(StrEnum):
    """What a caller may be allowed to do with a campaign."""

    HOLD = "hold"
    RELEASE = "release"
    PURGE = "purge"
    SEE = "see"
