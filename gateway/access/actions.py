"""What a policy can allow, apart from dialing."""

from enum import StrEnum


class CampaignRight(StrEnum):
    """What a caller may be allowed to do with a campaign."""

    HOLD = "hold"
    RELEASE = "release"
    PURGE = "purge"
    SEE = "see"


class NumberRight(StrEnum):
    """What a caller may be allowed to do with phone numbers, for all campaigns."""

    SUPPRESS = "suppress"
    END_SUPPRESSIONS = "end_suppressions"
    SEE_SUPPRESSIONS = "see_suppressions"
