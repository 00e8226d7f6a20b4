"""Holds: no call is made for a held campaign until an operator releases it."""

import enum
from typing import NamedTuple

HOLD_LIMIT = 1000
"""Campaigns that may be held at once. A campaign without any request may be held too, so a bound is
needed."""


class TooManyHolds(Exception):  # noqa: N818 - says what happened, like the failures of calls
    """`HOLD_LIMIT` campaigns are held already."""


class Hold(NamedTuple):
    """A hold: who made it, why and when. If it is `answering`, waiting and new requests are answered HELD."""

    caller: str
    reason: str
    at: float
    answering: bool = False


class ActionKind(enum.IntEnum):
    """What an operator did to a campaign. The numbers are the wire contract's."""

    HOLD = 1
    RELEASE = 2
    PURGE = 3


class OperatorAction(NamedTuple):
    """The last action of an operator on a campaign, which answered `answered` dial requests."""

    kind: ActionKind
    caller: str
    reason: str
    at: float
    answered: int = 0


class Holds:
    """The campaigns that are held now, at most `limit`; `campaigns` has the hold of each by its id."""

    def __init__(self, limit: int = HOLD_LIMIT) -> None:
        self._limit = limit
        self.campaigns: dict[str, Hold] = {}

    def __contains__(self, campaign_id: str) -> bool:
        return campaign_id in self.campaigns

    def __len__(self) -> int:
        return len(self.campaigns)

    def get(self, campaign_id: str) -> Hold | None:
        """Return the hold of a campaign; None if it is not held."""
        return self.campaigns.get(campaign_id)

    def put(self, campaign_id: str, hold: Hold) -> None:
        """Hold a campaign, or replace its hold; raises `TooManyHolds`."""
        if campaign_id not in self.campaigns and len(self.campaigns) >= self._limit:
            raise TooManyHolds
        self.campaigns[campaign_id] = hold

    def keep(self, campaign_id: str, hold: Hold) -> None:
        """Hold a campaign, or replace its hold, without a limit: the fleet has limited its holds already."""
        self.campaigns[campaign_id] = hold

    def release(self, campaign_id: str) -> bool:
        """End the hold of a campaign; return whether it was held."""
        return self.campaigns.pop(campaign_id, None) is not None

    def items(self) -> list[tuple[str, Hold]]:
        """Return the campaigns that are held, each with its hold."""
        return list(self.campaigns.items())

    def names(self) -> list[str]:
        """Return the campaigns that are held."""
        return list(self.campaigns)
