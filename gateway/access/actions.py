"""What can be done with a campaign, apart from dialing, and who is asked whether somebody may."""

from enum import StrEnum
from typing import Protocol


class Action(StrEnum):
    """What a caller may be allowed to do with a campaign."""

    HOLD = "hold"
    RELEASE = "release"
    PURGE = "purge"
    SEE = "see"


class Rights(Protocol):
    """Says what an identity may do; the policy is one."""

    def may(self, identity: str | None, action: Action, campaign_id: str) -> bool:
        """Whether a caller may do something with a campaign; `None` is a caller without identity."""
        ...
